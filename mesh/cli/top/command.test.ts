import { describe, expect, it } from 'vitest';
import { serve, tulle } from '../cli.fixture.ts';

/** A route that had so many requests, failures, and among them so many above 10 ms. */
function exposition(requests: number, failures: number, slow: number): string {
  const labels = 'http_route="http",service_name="orders",http_request_method="GET"';
  const fast = requests - slow;
  const lines = [
    'tulle_active_exchanges{direction="inbound",route="http",service_name="orders"} 3',
    `http_server_request_duration_seconds_bucket{le="0.01",${labels}} ${fast}`,
    `http_server_request_duration_seconds_bucket{le="0.02",${labels}} ${requests}`,
    `http_server_request_duration_seconds_bucket{le="+Inf",${labels}} ${requests}`,
    `http_server_request_duration_seconds_count{${labels}} ${requests - failures}`,
    `http_server_request_duration_seconds_count{error_type="500",${labels}} ${failures}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** The next of the readings each time, and the last for ever. */
function sidecar(...readings: string[]) {
  return serve((_request, response) => {
    response.end(readings.length > 1 ? readings.shift() : readings[0]);
  });
}

describe('tulle top', () => {
  it('shows what came between two readings', async () => {
    await using orders = await sidecar(exposition(1_000, 0, 0), exposition(1_200, 50, 100));
    const { code, out } = await tulle(['top', '--once', '--json', '--sidecar', orders.url]);
    const { routes, silent } = JSON.parse(out);
    expect([code, silent, routes.length]).toEqual([0, [], 1]);
    expect(routes[0]).toMatchObject({ service: 'orders', direction: 'inbound', route: 'http', active: 3 });
    expect(routes[0].errorShare).toBe(0.25);
    // Half of the requests are in the first bucket, and all in the second.
    expect(routes[0].p50Ms).toBeCloseTo(10);
    expect(routes[0].p99Ms).toBeCloseTo(19.8);
    expect(routes[0].ratePerSecond).toBeGreaterThan(0);
  });

  it('counts anew after a restart, and says who is away', async () => {
    await using orders = await sidecar(exposition(1_000, 0, 0), exposition(10, 0, 0));
    const away = await sidecar('');
    await away[Symbol.asyncDispose]();
    const { code, out } = await tulle(['top', '--once', '--sidecar', orders.url, '--sidecar', away.url]);
    expect(code).toBe(0);
    expect(out).toMatch(/SERVICE +ROUTE +REQ\/S +ERRORS +P50 +P99 +ACTIVE/);
    expect(out).toMatch(/orders +in +http +\d+\.\d +0\.0 % +5\.00 ms +9\.90 ms +3/);
    expect(out).toContain(`note: ${away.url}: nobody listens there`);
    expect(out).not.toContain('\u001b');
  });

  it('fails when nobody answers, or with something else', async () => {
    await using other = await sidecar('<html>');
    expect(await tulle(['top', '--sidecar', other.url])).toMatchObject({
      code: 1,
      err: `tulle top: ${other.url}/metrics: line 1 is no sample: "<html>"\n`,
    });
  });

  it.each([
    [['top'], 'the admin port of a sidecar is missing'],
    [['top', '--sidecar', 'a:1', '--interval', '0'], '--interval: must be a whole number from 1 to 3600'],
    [['top', '--sidecars', 'a:1'], 'did you mean --sidecar?'],
  ])('%j ends with 2 and says why', async (args, why) => {
    const { code, err } = await tulle(args);
    expect(code).toBe(2);
    expect(err).toContain(why);
  });
});
