// Every case of the upstream side, once for a client of HTTP/1.1 and once for one of HTTP/2: what the endpoint did must be seen by both,
// the exchange must be observed once and with the right failure, and the next request must be answered.
import http from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FLAG_END_STREAM, FRAME_RST_STREAM, readUint32 } from '../../../sidecar/src/protocol/http2/frame.ts';
import { type Hop, openHop } from '../../../sidecar/src/protocol/http2/hop.fixture.ts';
import {
  data,
  type Field,
  fieldOf,
  headers,
  RawPeer,
  settings,
} from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import {
  answerWithPath,
  openUpstream,
  type Upstream,
} from '../../../sidecar/src/protocol/http2/upstream.fixture.ts';
import { pseudo } from './case.ts';
import type { UpstreamCase } from './upstream-case.ts';
import { bodies, endings, frames, malformedHeads, openings } from './upstream-cases.ts';

const themes = { malformedHeads, bodies, frames, endings, openings };
const TARGET = '/case';
const TIMEOUTS = { connectMs: 600, upstreamMs: 600, bodyIdleMs: 600 };

/** What a client got. */
interface Got {
  status: number;
  body: string;
  complete: boolean;
  interim: number[];
  trailers: Record<string, string>;
}

let hop: Hop;
let upstream: Upstream;
let current: UpstreamCase | null;

async function open(downstream: 'http1' | 'http2', testCase: UpstreamCase): Promise<void> {
  current = testCase;
  let attempts = 0;
  const { opening = settings() } = testCase;
  upstream = await openUpstream((request) => {
    if (request.path === TARGET) testCase.serve(request, ++attempts);
    else answerWithPath(request);
  }, opening);
  hop = await openHop({ downstream, upstream: 'http2', upstreamPort: upstream.port, timeouts: TIMEOUTS });
}

beforeEach(() => {
  current = null;
});

afterEach(async () => {
  if (current === null) return;
  await hop.close();
  upstream.close();
});

describe.each(Object.entries(themes))('%s', (_theme, cases) => {
  describe.each(['http1', 'http2'] as const)('for a client of %s', (downstream) => {
    it.each(cases.map((testCase) => [testCase.id, testCase] as const))('%s', async (_id, testCase) => {
      await open(downstream, testCase);
      const { expect: wanted } = testCase;
      const got = await ask[downstream](testCase);
      // A reset may overtake the head that it follows.
      if (!wanted.broken || got.status !== 0) expect(got.status, testCase.why).toBe(wanted.status);
      expect(got.complete, 'the response is complete').toBe(!wanted.broken);
      expect(got.body).not.toContain('leak');
      if (wanted.body !== undefined) expect(got.body).toBe(wanted.body);
      if (wanted.interim !== undefined) expect(got.interim).toEqual(wanted.interim);
      if (wanted.trailers !== undefined) expect(got.trailers).toEqual(wanted.trailers);
      expect(hop.ended.map(({ failure }) => failure)).toEqual([wanted.failure ?? 'none']);
      expect(upstream.seen(TARGET).length).toBe(wanted.requests ?? 1);
      await checkUpstream(testCase);
      // Whatever the endpoint did, the next request is answered, or fails as this one did when the endpoint is no better.
      if (testCase.opening === undefined) {
        const next = await ask[downstream]({ ...testCase, method: 'GET', body: '' }, '/next');
        expect(next).toMatchObject({ status: 200, body: '/next', complete: true });
      }
      expect(hop.open(), 'exchanges that did not end').toBe(0);
    });
  });
});

it('has at least 60 cases, each with a reason and an id of its own', () => {
  const all = Object.values(themes).flat();
  expect(all.length).toBeGreaterThanOrEqual(60);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(all.filter(({ why }) => why === '')).toEqual([]);
});

async function checkUpstream({ expect: { reset, goaway } }: UpstreamCase): Promise<void> {
  const [seen] = upstream.seen(TARGET);
  if (seen === undefined) return;
  const { peer, streamId } = seen;
  if (goaway !== undefined) {
    await peer.closed();
    expect(goaway).toContain(peer.goawayCode);
  }
  if (reset !== undefined && reset.length > 0) {
    const frame = await peer.until(() => peer.find(FRAME_RST_STREAM, streamId), 'RST_STREAM');
    expect(reset).toContain(readUint32(frame.payload, 0));
    expect(peer.goawayCode).toBe(-1);
  }
}

const ask = { http1: askHttp1, http2: askHttp2 };

function askHttp1({ method = 'GET', body = '' }: UpstreamCase, path = TARGET): Promise<Got> {
  const got: Got = { status: 0, body: '', complete: false, interim: [], trailers: {} };
  return new Promise((resolve) => {
    const request = http.request({
      host: '127.0.0.1',
      port: hop.port,
      method,
      path,
      agent: false,
      headers: { host: 'a.test', ...(method === 'POST' ? { 'content-length': body.length } : {}) },
    });
    request.on('information', ({ statusCode }) => got.interim.push(statusCode));
    request.on('response', (response) => {
      got.status = response.statusCode ?? 0;
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        got.body += chunk;
      });
      response.on('error', () => {});
      response.on('close', () => {
        got.complete = response.complete;
        got.trailers = response.trailers as Record<string, string>;
        resolve(got);
      });
    });
    request.on('error', () => resolve(got));
    request.end(body);
  });
}

async function askHttp2({ method = 'GET', body = '' }: UpstreamCase, path = TARGET): Promise<Got> {
  const client = await RawPeer.connect(hop.port);
  const fields: Field[] = pseudo({ ':method': method, ':path': path });
  if (body === '') {
    client.send(headers(1, fields, FLAG_END_STREAM));
  } else {
    client.send(headers(1, fields));
    for (let at = 0; at < body.length; at += 16_000) {
      const end = Math.min(body.length, at + 16_000);
      // No more than the windows that are known without waiting for updates.
      if (end > 60_000) break;
      client.send(data(1, body.slice(at, end), end === body.length ? FLAG_END_STREAM : 0));
    }
  }
  await client.until(() => client.isComplete(1) || client.resetCode(1) !== -1, 'the response');
  // After an early response the rest of the request is told to be unwanted.
  const heads = client.heads(1);
  const statuses = heads.map((head) => Number(fieldOf(head, ':status')));
  const trailers = heads.filter((head) => fieldOf(head, ':status') === undefined).flat();
  client.destroy();
  return {
    status: client.status(1),
    body: client.body(1).toString('latin1'),
    complete: client.isComplete(1),
    interim: statuses.filter((status) => status >= 100 && status < 200),
    trailers: Object.fromEntries(trailers),
  };
}
