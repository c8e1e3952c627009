import { describe, expect, it } from 'vitest';
import { readRequest, readResponse } from './message.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNKED = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('requests', () => {
  it('reads one behind the other', () => {
    const first = readRequest(GET + GET, 0);
    expect(first).toMatchObject({
      state: 'complete',
      next: GET.length,
      value: { startLine: 'GET / HTTP/1.1' },
    });
    expect(readRequest(GET + GET, GET.length)).toMatchObject({ state: 'complete', next: 2 * GET.length });
  });

  it('puts chunks together and reads trailers', () => {
    const reading = readRequest(`${CHUNKED}2;a="\\""\r\nhe\r\n3\r\nllo\r\n0\r\nX: 1\r\n\r\n`, 0);
    expect(reading).toMatchObject({
      state: 'complete',
      value: { body: 'hello', framing: 'chunked', trailers: [{ name: 'X', value: '1' }] },
    });
  });

  it('tells what is there of a body that is not', () => {
    const reading = readRequest('POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhello', 0);
    expect(reading).toMatchObject({ state: 'incomplete', partial: { body: 'hello' } });
    expect(readRequest('POST / HTTP/1.1\r\nContent-Le', 0)).toEqual({ state: 'incomplete', partial: null });
  });

  it.each([
    ['GET / HTTP/2.0\r\n\r\n'],
    ['GET /\xe9 HTTP/1.1\r\n\r\n'],
    ['GET / HTTP/1.1\r\nA : b\r\n\r\n'],
    ['GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n'],
    ['GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n'],
    ['GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n'],
    ['GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n'],
    [`${CHUNKED}0x1\r\n`],
    [`${CHUNKED}5;\r\n`],
    [`${CHUNKED}1\r\naXX`],
    [`${CHUNKED}0\r\nA : b\r\n`],
  ])('refuses %j', (bytes) => {
    expect(readRequest(bytes, 0)).toMatchObject({ state: 'invalid' });
  });
});

describe('responses', () => {
  const read = (bytes: string, toHead = false, ended = false) => readResponse(bytes, 0, { toHead, ended });

  it('gathers interim responses in front of the final one', () => {
    const bytes = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n';
    expect(read(bytes)).toMatchObject({ state: 'complete', next: bytes.length, value: { interim: [{}] } });
  });

  it('ends with the head where no body can be', () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
    expect(read(`${head}next`, true)).toMatchObject({ state: 'complete', next: head.length });
    const notModified = 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n';
    expect(read(`${notModified}next`)).toMatchObject({ state: 'complete', next: notModified.length });
  });

  it('lasts until the connection ends where nothing frames it', () => {
    const bytes = 'HTTP/1.1 200 OK\r\n\r\nhello';
    expect(read(bytes)).toMatchObject({ state: 'incomplete', partial: { final: { body: 'hello' } } });
    expect(read(bytes, false, true)).toMatchObject({
      state: 'complete',
      value: { final: { body: 'hello' } },
    });
  });

  it('stops at a switch of protocols', () => {
    const bytes = 'HTTP/1.1 101 Switching Protocols\r\n\r\n';
    expect(read(`${bytes}anything`)).toMatchObject({ state: 'complete', next: bytes.length });
  });

  it.each([
    ['HTTP/1.1 200\r\n\r\n'],
    ['HTTP/1.1 600 High\r\n\r\n'],
    ['HTTP/1.1 200 OK\n\n\r\n\r\n'],
    ['ICY 200 OK\r\n\r\n'],
  ])('refuses %j', (bytes) => {
    expect(read(bytes)).toMatchObject({ state: 'invalid' });
  });
});
