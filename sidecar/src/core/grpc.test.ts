import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Head, RequestHead } from '../protocol/head.ts';
import { scanRequestHead } from '../protocol/http1/request-head.ts';
import {
  begin,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamFailed,
  onUpstreamReady,
  onUpstreamUnavailable,
} from './course.ts';
import { Failure } from './failure.ts';
import { isGrpc, NO_GRPC_STATUS, readGrpcStatus, readGrpcTimeoutMs, writeGrpcTimeout } from './grpc.ts';
import { answer, setStage } from './hand-led-exchange.ts';

const GRPC = 'content-type: application/grpc+proto';

function requestWith(...fields: string[]): RequestHead {
  const raw = Buffer.from(['POST /a.B/C HTTP/1.1', 'host: a', ...fields, '', ''].join('\r\n'), 'latin1');
  const request = new RequestHead();
  if (scanRequestHead(request, raw, 0, raw.length) !== raw.length) throw new Error('not a request');
  return request;
}

test.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['Application/GRPC+json', true],
  ['application/grpc; x=y', true],
  ['application/grpc;x', true],
  ['application/grpc-web', false],
  ['application/grpcx', false],
  ['application/grp', false],
  ['application/json', false],
])('content-type %s: gRPC %s', (value, expected) => {
  expect(isGrpc(requestWith(`content-type: ${value}`))).toBe(expected);
});

describe('grpc-timeout', () => {
  test.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['250m', 250],
    ['1500u', 1.5],
    ['99999999n', 99.999999],
    ['0m', 0],
    ['123456789m', Number.POSITIVE_INFINITY],
    ['1', Number.POSITIVE_INFINITY],
    ['1x', Number.POSITIVE_INFINITY],
    ['-1S', Number.POSITIVE_INFINITY],
    ['1.5S', Number.POSITIVE_INFINITY],
  ])('%s is %s ms', (value, expected) => {
    expect(readGrpcTimeoutMs(requestWith(`grpc-timeout: ${value}`))).toBeCloseTo(expected, 6);
  });

  test('what is written is read as no more, and as hardly less', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 100 * 86_400_000, noNaN: true }), (timeoutMs) => {
        const request = requestWith('grpc-timeout: 7S', GRPC);
        writeGrpcTimeout(request, timeoutMs);
        const read = readGrpcTimeoutMs(request);
        return read <= Math.max(timeoutMs, 0.001) && read >= timeoutMs * 0.99 - 1;
      }),
    );
  });
});

test.each([
  ['grpc-status: 0', 0],
  ['grpc-status: 14', 14],
  ['grpc-status: x', NO_GRPC_STATUS],
  ['grpc-status: 144', NO_GRPC_STATUS],
  ['other: 3', NO_GRPC_STATUS],
])('trailers with %s end the call with %s', (line, expected) => {
  const trailers = new Head();
  const [name = '', value = ''] = line.split(': ');
  trailers.add(name, value);
  expect(readGrpcStatus(trailers)).toBe(expected);
});

describe('a call that the mesh ends', () => {
  const stageOf = () =>
    setStage([], { requestLine: 'POST /a.B/C HTTP/1.1', fields: [GRPC], takesTrailers: true });

  test('before its response: the status is in the head, without a body', () => {
    const stage = stageOf();
    begin(stage.exchange);
    onUpstreamUnavailable(stage.exchange, Failure.connectRefused, '50 % of "ñ"');
    expect(stage.events).toEqual(['open', 'cancel', 'head 200', 'response end', 'end', 'release']);
    const { response, grpcStatus } = stage.exchange;
    expect(response?.find('grpc-status')).toBe('14');
    expect(response?.find('content-type')).toBe('application/grpc');
    const message = response?.find('grpc-message') ?? '';
    expect(message).toMatch(/^[\x20-\x7e]*$/);
    expect(decodeURIComponent(message)).toContain('connect_refused: ');
    expect(decodeURIComponent(message)).toContain('50 % of "ñ"');
    expect(grpcStatus).toBe(14);
  });

  test('behind the head of its response: the status is in trailers', () => {
    const stage = stageOf();
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer());
    onResponseBody(stage.exchange, Buffer.from('abc'), 0, 3);
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'gone');
    expect(stage.events.slice(-3)).toEqual(['response end with trailers', 'end', 'release']);
    expect(stage.exchange.grpcStatus).toBe(Failure.upstreamReset.grpcStatus);
  });

  test('where trailers do not reach the caller, it is cut off', () => {
    const stage = setStage([], { requestLine: 'POST /a.B/C HTTP/1.1', fields: [GRPC] });
    begin(stage.exchange);
    onUpstreamReady(stage.exchange, stage.connect());
    onResponseHead(stage.exchange, answer());
    onUpstreamFailed(stage.exchange, Failure.upstreamReset, 'gone');
    expect(stage.events).toContain('abort response');
  });
});

test('the status of a call is the one in its trailers', () => {
  const stage = setStage([], { requestLine: 'POST /a.B/C HTTP/1.1', fields: [GRPC], takesTrailers: true });
  begin(stage.exchange);
  onUpstreamReady(stage.exchange, stage.connect());
  onResponseHead(stage.exchange, answer());
  const trailers = new Head();
  trailers.add('grpc-status', '5');
  onResponseEnd(stage.exchange, trailers);
  expect(stage.exchange.grpcStatus).toBe(5);
});

test('a request that was sent to nobody is offered to other endpoints, a few', () => {
  const stage = setStage([], { endpoints: 9 });
  begin(stage.exchange);
  onUpstreamUnavailable(stage.exchange, Failure.connectRefused, '');
  onUpstreamUnavailable(stage.exchange, Failure.connectRefused, '');
  expect(stage.events).toEqual(['open', 'cancel', 'open', 'cancel', 'open']);
  onUpstreamUnavailable(stage.exchange, Failure.connectRefused, '');
  expect(stage.events.slice(5)).toEqual(['cancel', 'head 503', 'body', 'response end', 'end', 'release']);
  expect(stage.exchange.attempts).toBe(3);
});
