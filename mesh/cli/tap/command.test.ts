import { describe, expect, it } from 'vitest';
import { serve, tulle } from '../cli.fixture.ts';

const LINE = {
  time: '2026-03-04T05:06:07.089Z',
  direction: 'inbound',
  service: 'orders',
  route: 'http',
  method: 'POST',
  path: '/orders\u001b[2J',
  status: 503,
  failure: 'connect_refused',
  request_id: 'r-1',
  attempts: 2,
  duration_ms: 8,
};

/** Asked for what, it answers with lines and goes on until its asker goes. */
async function sidecar(...lines: object[]) {
  const asked: string[] = [];
  const server = await serve(({ url }, response) => {
    asked.push(url ?? '');
    for (const line of lines) response.write(`${JSON.stringify(line)}\n`);
  });
  return Object.assign(server, { asked });
}

describe('tulle tap', () => {
  it('shows lines until there were enough, and leaves the terminal alone', async () => {
    await using orders = await sidecar(LINE, { tap_dropped: 7 }, LINE, LINE);
    const { code, out, err } = await tulle(['tap', '--sidecar', orders.url, '--count', '2']);
    expect(code).toBe(0);
    expect(out).toBe(
      '05:06:07.089 orders sidecar in POST /orders\ufffd[2J 503 connect_refused 8.00 ms attempts=2 request r-1\n'.repeat(
        2,
      ),
    );
    expect(err).toContain('7 lines were left out');
  });

  it('asks for what the filters say, and gives lines as they are', async () => {
    await using orders = await sidecar(LINE);
    const filters = ['--status', '5xx', '--path', '/a b', '--request-id', 'r-1', '--failure', 'any'];
    const { out } = await tulle(['tap', '--sidecar', orders.url, '--json', '--count', '1', ...filters]);
    expect(out).toBe(`${JSON.stringify(LINE)}\n`);
    const query = new URL(orders.asked[0] ?? '', orders.url).searchParams;
    expect(Object.fromEntries(query)).toEqual({
      status: '5xx',
      path: '/a b',
      request_id: 'r-1',
      failure: 'any',
    });
  });

  it('ends when all sidecars have, and says so', async () => {
    await using ending = await serve((_request, response) => response.end(`${JSON.stringify(LINE)}\n`));
    const { code, out, err } = await tulle(['tap', '--sidecar', ending.url]);
    expect([code, out.split('\n').length]).toEqual([0, 2]);
    expect(err).toBe(`note: ${ending.url} has ended\n`);
  });

  it('fails where a tap is refused, with the reason', async () => {
    await using full = await serve((_request, response) =>
      response.writeHead(400).end('{"detail":"status must be a status"}'),
    );
    expect(await tulle(['tap', '--sidecar', full.url, '--status', 'x'])).toMatchObject({
      code: 1,
      err: `tulle tap: ${full.url} answered 400: status must be a status\n`,
    });
  });

  it.each([
    [['tap'], 'the admin port of a sidecar is missing'],
    [['tap', '--sidecar', 'a:1', '--count', '0'], '--count: must be a whole number'],
    [['tap', '--sidecar', 'a:1', '--fialure', 'any'], 'did you mean --failure?'],
  ])('%j ends with 2 and says why', async (args, why) => {
    const { code, err } = await tulle(args);
    expect(code).toBe(2);
    expect(err).toContain(why);
  });
});
