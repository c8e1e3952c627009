import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../core/limits.ts';
import { spec } from './config.ts';
import { TestIssuer } from './jwt.fixture.ts';
import { keySourceOf, parseKeySet } from './keys.ts';

const ANSWERS: Record<string, (response: http.ServerResponse) => void> = {
  '/good': (response) => response.end('good'),
  '/broken': (response) => response.writeHead(503).end(),
  '/moved': (response) => response.writeHead(302, { location: '/good' }).end(),
  '/large': (response) => response.end(Buffer.alloc(LIMITS.jwksBytes + 1)),
  '/cut': (response) =>
    response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy()),
  '/silent': () => {},
};

let origin: string;
let folder: string;
const server = http.createServer((request, response) => ANSWERS[request.url ?? '']?.(response));
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tulle-jwks-'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

function sourceOf(keys: Record<string, unknown>) {
  const issuer = { name: 'login', issuer: 'https://login.test', audiences: ['orders'], ...keys };
  return keySourceOf(spec.parse({ issuers: [issuer] }).issuers[0] as never);
}

const fetchFrom = (path: string, signal = new AbortController().signal) =>
  sourceOf({ jwks: { url: `${origin}${path}` } }).read(signal);

test('keys come from a URL, or from a file', async () => {
  expect((await fetchFrom('/good')).toString()).toBe('good');
  const file = join(folder, 'keys.json');
  await writeFile(file, 'filed');
  expect((await sourceOf({ jwks: { file } }).read(new AbortController().signal)).toString()).toBe('filed');
});

test.each([
  ['/broken', 'answered 503'],
  ['/moved', 'answered 302'],
  ['/large', `larger than ${LIMITS.jwksBytes} bytes`],
  ['/cut', 'aborted'],
])('what %s answers are no keys', async (path, reason) => {
  await expect(fetchFrom(path)).rejects.toThrow(reason);
});

test('nobody waits longer than they want', async () => {
  const patience = new AbortController();
  const fetched = fetchFrom('/silent', patience.signal);
  patience.abort();
  await expect(fetched).rejects.toThrow();
});

test('a set has public keys, and not too many', async () => {
  const { keySet } = await TestIssuer.open();
  const [key] = keySet.keys;
  expect(parseKeySet(Buffer.from(JSON.stringify(keySet))).count).toBe(1);
  const refused = [
    '',
    '[]',
    '{"keys":[]}',
    JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }),
    JSON.stringify({ keys: [{ ...key, d: 'c2VjcmV0' }] }),
    JSON.stringify({ keys: Array.from({ length: LIMITS.jwksKeys + 1 }, () => key) }),
  ];
  for (const text of refused) expect(() => parseKeySet(Buffer.from(text)), text).toThrow(/^is no|^holds no/);
});

test('a secret is as long as its algorithms need it', async () => {
  const file = join(folder, 'secret');
  await writeFile(file, `${'s'.repeat(47)}\n`);
  const read = async (algorithms: string[]) => {
    const source = sourceOf({ secretFile: file, algorithms });
    return source.parse(await source.read(new AbortController().signal));
  };
  expect((await read(['HS256'])).count).toBe(1);
  await expect(read(['HS256', 'HS384'])).rejects.toThrow('at least 48 bytes');
  await writeFile(file, '');
  await expect(read(['HS256'])).rejects.toThrow('at least 32 bytes');
});
