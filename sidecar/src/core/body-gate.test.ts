// What a filter may do with the body of a request, over real sockets of both protocols: it is held until it was judged, and nothing of what is
// refused reaches the upstream.
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Arrived,
  post,
  startWitness,
  UPLOAD_PROTOCOLS,
  type Upload,
  type UploadOptions,
  upload,
  type Witness,
} from '../../../test/e2e/upload-fixture.ts';
import { type Hop, type HopOptions, openHop } from '../protocol/http2/hop.fixture.ts';
import { Http1Peer } from '../protocol/http2/http1-peer.fixture.ts';
import { answerWithPath, openUpstream, type SeenRequest } from '../protocol/http2/upstream.fixture.ts';
import { NO_RETRY, type RetryPolicy } from './attempts.ts';
import { type BodyJudge, HeldBytes, holdBody, watchBody } from './body-gate.ts';
import {
  begin as beginExchange,
  onRequestBody,
  onRequestEnd,
  onResponseHead,
  onUpstreamFailed,
  onUpstreamReady,
} from './course.ts';
import type { Exchange } from './exchange.ts';
import { Failure } from './failure.ts';
import { CONTINUE, type Filter, PAUSED } from './filter.ts';
import { answer, BODY, type Stage, setStage } from './hand-led-exchange.ts';
import { LIMITS } from './limits.ts';
import { reply, resume } from './moves.ts';

const MAX_BYTES = 1_000;
const EVIL = 'evil';

interface Verdicts extends BodyJudge {
  readonly judged: { readonly body: string; readonly whole: boolean }[];
}

function judge(timeoutMs = 10_000): Verdicts {
  const judged: Verdicts['judged'] = [];
  return {
    ...{ maxBytes: MAX_BYTES, timeoutMs, judged },
    judge(exchange: Exchange, body: Buffer, whole: boolean): boolean {
      judged.push({ body: body.toString(), whole });
      if (!body.includes(EVIL)) return true;
      reply(exchange, Failure.wafBlocked);
      return false;
    },
  };
}

const open: { close(): void | Promise<void> }[] = [];
let witness: Witness;
let hop: Hop;
let held: HeldBytes;

afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

function gate(terms: BodyJudge, how = holdBody): Filter {
  return {
    name: 'gate',
    onRequestHead: (exchange) => (exchange.requestComplete ? CONTINUE : how(exchange, terms, held)),
  };
}

async function start(
  downstream: HopOptions['downstream'],
  filters: readonly Filter[],
  serve?: (arrived: Arrived, response: ServerResponse) => void,
): Promise<void> {
  witness = await startWitness(serve);
  hop = await openHop({ downstream, upstream: 'http1', upstreamPort: witness.port, filters });
  open.push(witness, hop);
}

function begin(protocol: HopOptions['downstream'], options: UploadOptions = {}): Upload {
  const sent = upload(protocol, hop.port, options);
  open.push(sent);
  return sent;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

const ended = (): Promise<void> => until(() => hop.ended.length > 0 && hop.open() === 0);

describe.each(UPLOAD_PROTOCOLS)('over %s', (protocol) => {
  const startHolding = async (verdicts: BodyJudge, limit?: number): Promise<void> => {
    held = new HeldBytes(limit);
    await start(protocol, [gate(verdicts)]);
  };
  const send = (body: string | Uint8Array, options?: UploadOptions) =>
    post(protocol, hop.port, body, options);

  test('a body is forwarded when all of it was judged, and not before', async () => {
    const verdicts = judge();
    await startHolding(verdicts);
    const sent = begin(protocol);
    sent.write('one ');
    await until(() => held.used > 0);
    sent.write('two ');
    await sleep(20);
    expect(witness.connections()).toBe(0);
    sent.end('three');
    expect(await sent.answer).toMatchObject({ status: 200, body: '13' });
    expect(witness.requests).toMatchObject([{ body: Buffer.from('one two three') }]);
    expect(verdicts.judged).toEqual([{ body: 'one two three', whole: true }]);
    await ended();
    expect(hop.ended).toMatchObject([{ requestBytes: 13, attempts: 1, failure: 'none' }]);
    expect(held.used).toBe(0);
  });

  test('nothing of a body that is refused reaches the upstream, not even over a connection that is there', async () => {
    await startHolding(judge());
    expect(await send('good')).toMatchObject({ status: 200 });
    const before = witness.bytesRead();
    const answer = await send(`some ${EVIL} body`);
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'waf_blocked' });
    expect(await send('good again')).toMatchObject({ status: 200 });
    expect(witness.requests.map(({ body }) => body.toString())).toEqual(['good', 'good again']);
    expect(witness.bytesRead()).toBeLessThanOrEqual(before * 2 + 'good again'.length);
    expect(hop.ended[1]).toMatchObject({ status: 403, attempts: 0, failure: 'waf_blocked' });
    expect(held.used).toBe(0);
  });

  test('what is beyond the bound follows what was judged, in order', async () => {
    const verdicts = judge();
    await startHolding(verdicts);
    const body = Buffer.from(Array.from({ length: 400_000 }, (_, i) => 97 + (i % 26)));
    // The first over a new connection, the second over one that is there.
    for (let i = 0; i < 2; i++) {
      expect(await send(body, { headers: { 'content-length': body.length } })).toMatchObject({ status: 200 });
    }
    for (const { body: arrived } of witness.requests) expect(arrived.equals(body)).toBe(true);
    expect(verdicts.judged.map(({ whole }) => whole)).toEqual([false, false]);
    for (const { body: seen } of verdicts.judged) {
      expect(seen.length).toBeGreaterThan(MAX_BYTES);
      expect(body.subarray(0, seen.length).toString()).toBe(seen);
    }
    expect(held.used).toBe(0);
  });

  test('a body without a length of its own, in pieces, is the same behind the bound', async () => {
    await startHolding(judge());
    for (let i = 0; i < 2; i++) {
      const sent = begin(protocol);
      for (let piece = 0; piece < 40; piece++) {
        sent.write(String.fromCharCode(97 + (piece % 26)).repeat(100));
        if (piece % 7 === 0) await sleep(1);
      }
      sent.end();
      expect(await sent.answer).toMatchObject({ status: 200, body: '4000' });
    }
    const [first, second] = witness.requests;
    expect(first?.body.toString()).toMatch(/^a{100}b{100}.*l{100}m{100}n{100}$/);
    expect(second?.body.equals(first?.body as Buffer)).toBe(true);
  });

  test('an empty body is judged, too', async () => {
    const verdicts = judge();
    await startHolding(verdicts);
    const sent = begin(protocol);
    await sleep(10);
    sent.end();
    expect(await sent.answer).toMatchObject({ status: 200, body: '0' });
    expect(verdicts.judged).toEqual([{ body: '', whole: true }]);
  });

  test('who waits for 100 Continue is asked for the body, and the upstream is not asked', async () => {
    await startHolding(judge());
    for (const [body, status] of [
      ['fine', 200],
      [EVIL, 403],
    ] as const) {
      const sent = begin(protocol, {
        headers: { expect: '100-continue', 'content-length': body.length },
      });
      await sent.continued;
      sent.end(body);
      expect((await sent.answer).status).toBe(status);
    }
    expect(witness.requests).toHaveLength(1);
    expect(witness.requests[0]?.headers).not.toHaveProperty('expect');
  });

  test('trailers come through behind a held body', async () => {
    held = new HeldBytes();
    await start(protocol, [gate(judge())]);
    const sent = begin(protocol, { trailers: { 'x-sum': '42' } });
    sent.write('abc');
    await sleep(10);
    sent.end();
    expect(await sent.answer).toMatchObject({ status: 200, body: '3' });
    expect(witness.requests).toMatchObject([{ trailers: { 'x-sum': '42' } }]);
  });

  test('a caller that goes away takes its body with it', async () => {
    await startHolding(judge());
    const sent = begin(protocol);
    sent.write('half');
    await until(() => held.used > 0);
    sent.abort();
    await ended();
    expect(hop.ended).toMatchObject([{ failure: 'downstream_aborted', attempts: 0 }]);
    expect(held.used).toBe(0);
    expect(witness.connections()).toBe(0);
  });

  test('a body that trickles is given up, however steadily it comes', async () => {
    await startHolding(judge(150));
    const sent = begin(protocol);
    const trickle = setInterval(() => sent.write('.'), 20);
    const { status, body } = await sent.answer;
    clearInterval(trickle);
    expect(status).toBe(408);
    expect(JSON.parse(body)).toMatchObject({ code: 'request_body_timeout' });
    expect(held.used).toBe(0);
    expect(witness.connections()).toBe(0);
  });

  test('when too much is held already, a body is refused and may be sent again', async () => {
    await startHolding(judge(), 4_500);
    const first = begin(protocol);
    first.write('first');
    await until(() => held.used > 0);
    const second = await send('x'.repeat(900));
    expect(second.status).toBe(503);
    expect(JSON.parse(second.body)).toMatchObject({ code: 'body_hold_overflow' });
    expect(held.refused).toBe(1);
    first.end();
    expect(await first.answer).toMatchObject({ status: 200, body: '5' });
    expect(held.used).toBe(0);
  });

  test('a filter in front may have paused before, and the body have come meanwhile', async () => {
    held = new HeldBytes();
    const pausing: Filter = {
      name: 'pausing',
      onRequestHead(exchange) {
        exchange.time.after(30, () => exchange.time.handle(() => resume(exchange)));
        return PAUSED;
      },
    };
    const verdicts = judge();
    await start(protocol, [pausing, gate(verdicts)]);
    expect(await send('came early')).toMatchObject({ status: 200, body: '10' });
    expect((await send(`${EVIL} came early`)).status).toBe(403);
    expect(await send('y'.repeat(5_000))).toMatchObject({ status: 200, body: '5000' });
    expect(witness.requests.map(({ body }) => body.length)).toEqual([10, 5_000]);
  });

  test('what was sent is held no longer, however long the answer takes', async () => {
    held = new HeldBytes();
    let answer = (): void => {};
    await start(protocol, [gate(judge())], (_, response) => {
      answer = () => response.end();
    });
    const sent = begin(protocol);
    sent.end('slow');
    await until(() => witness.requests[0]?.complete === true);
    expect(held.used).toBe(0);
    answer();
    expect(await sent.answer).toMatchObject({ status: 200 });
  });

  test('a caller waits while its request waits behind the verdict', async () => {
    held = new HeldBytes();
    const waiting: Exchange[] = [];
    const pausing: Filter = {
      name: 'pausing',
      onPickEndpoint(exchange) {
        waiting.push(exchange);
        return PAUSED;
      },
    };
    await start(protocol, [gate(judge()), pausing]);
    const body = Buffer.alloc(5_000_000, 'abcdefghij');
    const sent = begin(protocol);
    sent.end(body);
    await until(() => waiting.length === 1);
    await sleep(100);
    expect(held.used).toBeLessThanOrEqual(MAX_BYTES + 2 * LIMITS.readBufferBytes);
    const [exchange] = waiting;
    expect(exchange?.requestBytes).toBeLessThanOrEqual(MAX_BYTES + 2 * LIMITS.readBufferBytes);
    hop.context.handle(() => resume(exchange as Exchange));
    expect(await sent.answer).toMatchObject({ status: 200, body: '5000000' });
    expect(witness.requests[0]?.body.equals(body)).toBe(true);
    expect(held.used).toBe(0);
  });

  test('a drain lets a held request complete', async () => {
    await startHolding(judge());
    const sent = begin(protocol);
    sent.write('abc');
    await until(() => held.used > 0);
    hop.drain();
    sent.end('def');
    expect(await sent.answer).toMatchObject({ status: 200, body: '6' });
  });

  test('an endpoint that is not there costs nothing of the memory for others', async () => {
    await startHolding(judge());
    witness.close();
    expect((await send('abc')).status).toBe(503);
    await ended();
    expect(held.used).toBe(0);
  });

  describe('a gate that watches', () => {
    const startWatching = async (verdicts: BodyJudge, limit?: number): Promise<void> => {
      held = new HeldBytes(limit);
      await start(protocol, [gate(verdicts, watchBody)]);
    };

    test('holds nothing back', async () => {
      const verdicts = judge();
      await startWatching(verdicts);
      const sent = begin(protocol);
      sent.write('one');
      await until(() => witness.requests[0]?.body.length === 3);
      expect(held.used).toBeGreaterThan(0);
      sent.end('two');
      expect(await sent.answer).toMatchObject({ status: 200, body: '6' });
      expect(verdicts.judged).toEqual([{ body: 'onetwo', whole: true }]);
      expect(held.used).toBe(0);
    });

    test('sees what it has room for', async () => {
      const verdicts = judge();
      await startWatching(verdicts);
      expect(await send('z'.repeat(50_000))).toMatchObject({ status: 200, body: '50000' });
      expect(verdicts.judged).toMatchObject([{ whole: false }]);
      expect(held.used).toBe(0);
    });

    test('lets pass what there is no room to see', async () => {
      const verdicts = judge();
      await startWatching(verdicts, 10);
      expect(await send('longer than that')).toMatchObject({ status: 200, body: '16' });
      expect(verdicts.judged).toEqual([]);
      expect(held).toMatchObject({ used: 0, refused: 1 });
    });
  });
});

test.each(UPLOAD_PROTOCOLS)(
  'from %s to HTTP/2, a held body comes whole, with its trailers',
  async (protocol) => {
    held = new HeldBytes();
    const upstream = await openUpstream(() => {});
    const filters = [gate(judge())];
    hop = await openHop({ downstream: protocol, upstream: 'http2', upstreamPort: upstream.port, filters });
    open.push(upstream, hop);
    const refused = await post(protocol, hop.port, EVIL);
    expect(refused.status).toBe(403);
    expect(upstream.peers).toHaveLength(0);
    const sent = begin(protocol, { trailers: { 'x-sum': '42' } });
    sent.write('abc');
    await sleep(5);
    sent.end('def');
    await until(() => upstream.requests.length === 1);
    const { peer, streamId } = upstream.requests[0] as SeenRequest;
    await peer.until(() => peer.isComplete(streamId), 'the end of the request');
    expect(peer.body(streamId).toString()).toBe('abcdef');
    expect(peer.heads(streamId)[1]).toEqual([['x-sum', '42']]);
    answerWithPath(upstream.requests[0] as SeenRequest);
    expect(await sent.answer).toMatchObject({ status: 200, body: '/' });
    expect(held.used).toBe(0);
  },
);

test('chunks behind the verdict that came in one read with it are forwarded', async () => {
  held = new HeldBytes();
  await start('http1', [gate(judge())]);
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
  const head = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n';
  const body = [chunk('a'.repeat(1_001)), chunk('b'.repeat(10)), chunk('c'.repeat(10)), '0\r\n\r\n'].join('');
  const peer = await Http1Peer.connect(hop.port);
  open.push({ close: () => peer.destroy() });
  for (let i = 1; i <= 2; i++) {
    peer.send(head + body);
    await peer.until(() => peer.text.split('1021').length === i + 1);
  }
  for (const { body: arrived } of witness.requests) expect(arrived.toString()).toMatch(/^a{1001}b{10}c{10}$/);
  expect(held.used).toBe(0);
});

test('a request behind a refused one on the same connection is served', async () => {
  held = new HeldBytes();
  await start('http1', [gate(judge())]);
  const peer = await Http1Peer.connect(hop.port);
  open.push({ close: () => peer.destroy() });
  const request = (body: string) =>
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  peer.send(request(EVIL) + request('good'));
  await peer.until(() => peer.text.includes('HTTP/1.1 200'));
  expect(peer.text).toMatch(/^HTTP\/1\.1 403 /);
  expect(witness.requests.map(({ body }) => body.toString())).toEqual(['good']);
});

describe('with retries', () => {
  const retry = (bufferBytes: number): RetryPolicy => ({
    bufferBytes,
    begin: () => {},
    decide: ({ attemptFailure }) => (attemptFailure === Failure.none ? NO_RETRY : 0),
  });

  function fail(bufferBytes: number): Stage {
    held = new HeldBytes();
    const stage = setStage([gate(judge())], {
      body: true,
      retry: retry(bufferBytes),
      requestLine: 'PUT / HTTP/1.1',
    });
    beginExchange(stage.exchange);
    onRequestBody(stage.exchange, BODY, 0, BODY.length);
    onRequestEnd(stage.exchange, null);
    onUpstreamReady(stage.exchange, stage.connect());
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'closed');
    return stage;
  }

  test('what was held is kept for another attempt', () => {
    const stage = fail(BODY.length);
    expect(held.used).toBe(BODY.length);
    onUpstreamReady(stage.exchange, stage.connect());
    expect(stage.events.filter((event) => event === 'upstream body')).toHaveLength(2);
    onResponseHead(stage.exchange, answer());
    expect(held.used).toBe(0);
  });

  test('within the bound of every other body', () => {
    const stage = fail(BODY.length - 1);
    expect(held.used).toBe(0);
    expect(stage.events).toContain('head 502');
    expect(stage.events.filter((event) => event === 'upstream body')).toHaveLength(1);
  });
});
