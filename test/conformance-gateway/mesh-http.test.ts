// The MESH-HTTP profile of the Gateway API, in file mode: each case is a sidecar with the routes of its own, in front of real services.
import { once } from 'node:events';
import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Asked, Expected } from './case.ts';
import { FILTERS } from './cases/filters.ts';
import { MATCHING } from './cases/matching.ts';
import { type EchoWorld, type Seen, startEchoWorld } from './echo-world.ts';

describe.each([...MATCHING, ...FILTERS])('$name', ({ routes, requests }) => {
  let world: EchoWorld;
  beforeAll(async () => {
    world = await startEchoWorld({ kind: 'HTTPRoute', routes });
  });
  afterAll(() => world.stop());

  test.each(requests.map(({ ask, get }) => ({ ask: typeof ask === 'string' ? { path: ask } : ask, get })))(
    '$ask',
    async ({ ask, get }) => {
      const answer = await send(world.sidecar.outboundPort as number, ask);
      expect(answer.status).toBe(get.status ?? 200);
      for (const [name, value] of Object.entries(get.returns ?? {})) {
        expect(answer.headers[name] ?? null, name).toBe(value);
      }
      const [seen] = world.takeSeen();
      if ((get.status ?? 200) !== 200) expect(seen).toBeUndefined();
      else compare(seen as Seen, get);
    },
  );
});

function compare(seen: Seen, { backend = 'either', path, host, sees = {} }: Expected): void {
  if (backend !== 'either') expect(seen.backend).toBe(backend);
  if (path !== undefined) expect(seen.path).toBe(path);
  if (host !== undefined) expect(seen.headers.host).toBe(host);
  for (const [name, value] of Object.entries(sees)) expect(seen.headers[name] ?? null, name).toBe(value);
}

async function send(port: number, { path = '/', method = 'GET', host = 'echo', headers = {} }: Asked) {
  const request = http.request({
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: { host, ...headers },
    agent: false,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode ?? 0, headers: response.headers };
}
