import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { Failure } from '../../core/failure.ts';
import { RandomWords } from '../../observe/random-words.ts';
import { type Arrival, type Journey, travel } from '../hand-made-exchange.ts';
import { RequestIdFilter } from './request-id.ts';

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const random = new RandomWords(Math.random);
const trusting = compileChain([new RequestIdFilter(true, random)]);
const wary = compileChain([new RequestIdFilter(false, random)]);

const idsIn = (lines: readonly string[] | null) =>
  (lines ?? []).flatMap((line) => (/^x-request-id: /i.test(line) ? [line.slice(14)] : []));

/** The one id of an exchange, which caller, upstream and exchange must agree on. */
function agreedId({ exchange, forwarded, returned }: Arrival): string {
  expect(idsIn(returned)).toEqual([exchange.requestId]);
  if (forwarded !== null) expect(idsIn(forwarded)).toEqual([exchange.requestId]);
  return exchange.requestId;
}

const send = (journey: Omit<Journey, 'chain'>, chain = trusting) => travel({ chain, ...journey });

describe('request id', () => {
  test('is taken over from a trusted peer, forwarded and returned', () => {
    expect(agreedId(send({ fields: ['host: a', 'X-Request-ID: order.7_x:Y-1'] }))).toBe('order.7_x:Y-1');
  });

  test('may have 128 characters', () => {
    const id = 'a'.repeat(128);
    expect(agreedId(send({ fields: ['host: a', `x-request-id: ${id}`] }))).toBe(id);
  });

  test('is made when there is none, anew for each request', () => {
    const ids = Array.from({ length: 1_000 }, () => agreedId(send({})));
    for (const id of ids) expect(id).toMatch(UUID_V4);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is not believed from a peer that is not trusted', () => {
    expect(agreedId(send({ fields: ['host: a', 'x-request-id: mine'] }, wary))).toMatch(UUID_V4);
  });

  test.each([
    ['empty', ['x-request-id:']],
    ['too long', [`x-request-id: ${'a'.repeat(129)}`]],
    ['of two fields', ['x-request-id: a', 'x-request-id: a']],
    ['of characters that logs trip over', ['x-request-id: a"b']],
    ['a list', ['x-request-id: a,b']],
    ['not ASCII', ['x-request-id: \u00e9']],
    ['meant for this hop only', ['x-request-id: a', 'connection: x-request-id']],
  ])('is replaced when it is %s', (_what, lines) => {
    expect(agreedId(send({ fields: ['host: a', ...lines] }))).toMatch(UUID_V4);
  });

  test('is kept exactly when it has 1 to 128 allowed characters', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]{1,140}$/), (value) => {
        const id = agreedId(send({ fields: ['host: a', `x-request-id: ${value}`] }));
        if (/^[A-Za-z0-9._:-]{1,128}$/.test(value)) expect(id).toBe(value);
        else expect(id).toMatch(UUID_V4);
      }),
    );
  });

  test('replaces what the upstream says', () => {
    const arrival = send({
      fields: ['host: a', 'x-request-id: ours'],
      answerFields: ['x-request-id: theirs', 'X-Request-Id: again'],
    });
    expect(agreedId(arrival)).toBe('ours');
  });

  test('stands in a local reply, head and body', () => {
    const arrival = send({ unavailable: Failure.connectRefused, fields: ['host: a', 'x-request-id: r-1'] });
    expect(agreedId(arrival)).toBe('r-1');
    expect(JSON.parse(arrival.body)).toMatchObject({ code: 'connect_refused', requestId: 'r-1' });
  });

  test.each([
    ['a head that can not be read', { requestLine: 'GET  / HTTP/1.1' }],
    ['framing that is ambiguous', { fields: ['host: a', 'content-length: 1', 'transfer-encoding: chunked'] }],
  ])('is returned even for %s', (_what, journey) => {
    const arrival = send(journey);
    expect(arrival.exchange.status).toBe(400);
    expect(agreedId(arrival)).toMatch(UUID_V4);
  });
});
