import { describe, expect, test } from 'vitest';
import {
  begin,
  onDownstreamDrained,
  onDownstreamGone,
  onRequestBody,
  onRequestEnd,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamDrained,
  onUpstreamFailed,
  onUpstreamReady,
  onUpstreamUnavailable,
  reply,
  resume,
} from './course.ts';
import { acceptsRequestBody, STATE_ENDED } from './exchange.ts';
import { Failure } from './failure.ts';
import { CONTINUE, type Filter, PAUSED, REPLIED } from './filter.ts';
import { answer, BODY, type Stage, setStage } from './hand-led-exchange.ts';
import { LIMITS } from './limits.ts';

const recording = (name: string, notes: string[]): Filter => ({
  name,
  onRequestHead: () => note(notes, `${name} request`),
  onPickEndpoint: () => note(notes, `${name} pick`),
  onAttemptHead: () => note(notes, `${name} attempt`),
  onResponseHead: () => void notes.push(`${name} response`),
  onAttemptEnd: () => void notes.push(`${name} attempt over`),
  onEnd: () => void notes.push(`${name} over`),
});

function note(notes: string[], what: string): typeof CONTINUE {
  notes.push(what);
  return CONTINUE;
}

const ends = (stage: Stage) => stage.events.filter((event) => event === 'end').length;

function succeed(stage: Stage): void {
  begin(stage.exchange);
  onUpstreamReady(stage.exchange, stage.connect());
  onResponseHead(stage.exchange, answer());
  onResponseEnd(stage.exchange, null);
}

describe('verdicts', () => {
  test('an exchange passes all phases in order, its response in reverse', () => {
    const notes: string[] = [];
    const stage = setStage([recording('a', notes), recording('b', notes)]);
    succeed(stage);
    expect(notes).toEqual([
      ...['a request', 'b request', 'a pick', 'b pick', 'a attempt', 'b attempt'],
      ...['b response', 'a response', 'a attempt over', 'b attempt over', 'a over', 'b over'],
    ]);
    expect(stage.events).toEqual([
      ...['open', 'upstream head', 'upstream end', 'head 200', 'response end', 'end', 'release'],
    ]);
  });

  test('REPLIED keeps everything behind it from running', () => {
    const notes: string[] = [];
    const refusing: Filter = {
      name: 'refusing',
      onRequestHead: (exchange) => {
        reply(exchange, Failure.draining);
        return REPLIED;
      },
    };
    const stage = setStage([recording('a', notes), refusing, recording('b', notes)]);
    begin(stage.exchange);
    expect(notes).toEqual(['a request', 'b response', 'a response', 'a over', 'b over']);
    expect(stage.events).toEqual(['head 503', 'body', 'response end', 'end', 'release']);
    expect(stage.exchange).toMatchObject({ failure: Failure.draining, replied: true, attempts: 0 });
  });

  test.each(['onRequestHead', 'onPickEndpoint', 'onAttemptHead'] as const)(
    'PAUSED in %s holds everything; resume goes on behind it',
    (phase) => {
      const notes: string[] = [];
      const pausing: Filter = { name: 'pausing', [phase]: () => PAUSED };
      const stage = setStage([recording('a', notes), pausing, recording('b', notes)]);
      begin(stage.exchange);
      if (phase === 'onAttemptHead') onUpstreamReady(stage.exchange, stage.connect());
      const before = notes.length;
      expect(stage.events).not.toContain('upstream head');
      resume(stage.exchange);
      if (phase !== 'onAttemptHead') onUpstreamReady(stage.exchange, stage.connect());
      expect(stage.events).toContain('upstream head');
      const name = { onRequestHead: 'request', onPickEndpoint: 'pick', onAttemptHead: 'attempt' }[phase];
      expect([notes[before - 1], notes[before]]).toEqual([`a ${name}`, `b ${name}`]);
      expect(new Set(notes).size).toBe(notes.length);
    },
  );

  test('resume is refused without a pause, and the second time', () => {
    const { exchange } = setStage([{ name: 'pausing', onRequestHead: () => PAUSED }]);
    expect(() => resume(exchange)).toThrow('once for each PAUSED');
    begin(exchange);
    resume(exchange);
    expect(() => resume(exchange)).toThrow('once for each PAUSED');
  });

  test('two filters may pause one after the other', () => {
    const pausing: Filter = { name: 'pausing', onRequestHead: () => PAUSED };
    const stage = setStage([pausing, pausing]);
    begin(stage.exchange);
    resume(stage.exchange);
    expect(stage.events).toEqual([]);
    resume(stage.exchange);
    expect(stage.events).toEqual(['open']);
  });

  test('resume after the caller has gone does nothing', () => {
    const stage = setStage([{ name: 'pausing', onRequestHead: () => PAUSED }]);
    begin(stage.exchange);
    onDownstreamGone(stage.exchange, Failure.downstreamAborted);
    const events = [...stage.events];
    resume(stage.exchange);
    expect(stage.events).toEqual(events);
  });
});

describe('local replies', () => {
  test('no service for the host', () => {
    const stage = setStage([], { routed: false });
    begin(stage.exchange);
    expect(stage.exchange).toMatchObject({ status: 404, failure: Failure.noRoute, attempts: 0 });
  });

  test('no endpoint', () => {
    const stage = setStage([], { endpoints: 0 });
    begin(stage.exchange);
    expect(stage.exchange).toMatchObject({ status: 503, failure: Failure.noEndpoint });
  });

  test('to HEAD has no body', () => {
    const stage = setStage([], { requestLine: 'HEAD / HTTP/1.1' });
    begin(stage.exchange);
    onUpstreamUnavailable(stage.exchange, Failure.connectRefused, '');
    expect(stage.events.slice(-4)).toEqual(['head 503', 'response end', 'end', 'release']);
  });

  test('a response that has begun is cut off instead', () => {
    const stage = setStage([]);
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer());
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'closed');
    expect(stage.events.slice(-4)).toEqual(['abort upstream', 'abort response', 'end', 'release']);
    expect(stage.exchange).toMatchObject({ status: 200, failure: Failure.upstreamReset });
  });

  test('the caller leaves while a connection is set up: the transport hears of it', () => {
    const stage = setStage([]);
    begin(stage.exchange);
    onDownstreamGone(stage.exchange, Failure.downstreamAborted);
    expect(stage.events).toEqual(['open', 'cancel', 'end', 'release']);
  });
});

describe('bodies', () => {
  const upload = { requestLine: 'POST / HTTP/1.1', body: true };

  test('wait until the request head is sent', () => {
    const { exchange, connect } = setStage([], upload);
    begin(exchange);
    expect(acceptsRequestBody(exchange)).toBe(false);
    onUpstreamReady(exchange, connect());
    expect(acceptsRequestBody(exchange)).toBe(true);
  });

  test('back-pressure stops the side that sends, and lets it go on', () => {
    const stage = setStage([], upload);
    const { exchange } = stage;
    begin(exchange);
    const upstream = stage.connect();
    onUpstreamReady(exchange, upstream);
    upstream.congested = true;
    onRequestBody(exchange, BODY, 0, BODY.length);
    onUpstreamDrained(exchange);
    onRequestEnd(exchange, null);
    onResponseHead(exchange, answer());
    stage.downstream.congested = true;
    onResponseBody(exchange, BODY, 0, BODY.length);
    onDownstreamDrained(exchange);
    expect(stage.events).toEqual([
      ...['open', 'upstream head', 'resume request'],
      ...['upstream body', 'pause request', 'resume request', 'upstream end'],
      ...['head 200', 'body', 'pause response', 'resume response'],
    ]);
    expect(exchange).toMatchObject({ requestBytes: BODY.length, responseBytes: BODY.length });
  });

  test('a response that is complete before its request ends the exchange', () => {
    const stage = setStage([], upload);
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer());
    onResponseEnd(stage.exchange, null);
    expect(stage.events.slice(-4)).toEqual(['response end', 'abort upstream', 'end', 'release']);
    expect(stage.exchange.failure).toBe(Failure.none);
  });

  test('after a protocol switch both directions end on their own', () => {
    const stage = setStage([], upload);
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    const head = answer(101);
    head.switchesProtocol = true;
    onResponseHead(stage.exchange, head);
    onResponseEnd(stage.exchange, null);
    expect(ends(stage)).toBe(0);
    onRequestEnd(stage.exchange, null);
    expect(ends(stage)).toBe(1);
  });
});

describe('stale connections', () => {
  function fail(stage: Stage, reused = true): void {
    onUpstreamReady(stage.exchange, stage.connect(reused));
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'closed');
  }

  test('a request is sent again a bounded number of times, each attempt observed', () => {
    const notes: string[] = [];
    const stage = setStage([recording('a', notes)]);
    begin(stage.exchange);
    for (let i = 0; i < LIMITS.staleReplays; i++) fail(stage);
    expect(stage.exchange.state).not.toBe(STATE_ENDED);
    fail(stage);
    expect(stage.exchange).toMatchObject({ status: 502, attempts: LIMITS.staleReplays + 1 });
    expect(notes.filter((text) => text === 'a attempt over')).toHaveLength(LIMITS.staleReplays + 1);
    expect(notes.filter((text) => text === 'a over')).toHaveLength(1);
  });

  test.each([
    ['the connection was new', 'GET / HTTP/1.1', false],
    ['the method is not idempotent', 'POST / HTTP/1.1', true],
  ])('not when %s', (_why, requestLine, reused) => {
    const stage = setStage([], { requestLine });
    begin(stage.exchange);
    fail(stage, reused);
    expect(stage.exchange).toMatchObject({ status: 502, attempts: 1, failure: Failure.upstreamReset });
  });

  test('not when a body was on its way', () => {
    const stage = setStage([], { requestLine: 'PUT / HTTP/1.1', body: true });
    begin(stage.exchange);
    fail(stage);
    expect(stage.exchange).toMatchObject({ status: 502, attempts: 1 });
  });
});
