import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { type Journey, travel } from '../hand-made-exchange.ts';
import { ForwardedFilter } from './forwarded.ts';

const OWN = 'spiffe://demo.tulle.test/ns/demo/sa/orders';
const PEER = 'spiffe://demo.tulle.test/ns/demo/sa/gateway';
const SPOOFED = [
  'X-Forwarded-For: 6.6.6.6',
  'x-forwarded-proto: gopher',
  'x-forwarded-host: evil',
  'x-forwarded-client-cert: By=x;URI=spiffe://demo.tulle.test/ns/demo/sa/admin',
  'x-forwarded-client-cert: By=y',
  'forwarded: for=6.6.6.6',
];

/** What the service behind the sidecar is told, sorted by name. */
function told(trustsPeer: boolean, journey: Omit<Journey, 'chain'>): string[] {
  const chain = compileChain([new ForwardedFilter(trustsPeer, () => OWN)]);
  const { forwarded } = travel({ chain, ...journey });
  return (forwarded ?? []).filter((line) => /^(x-)?forwarded/i.test(line));
}

describe('forwarded fields', () => {
  test('of an untrusted caller are replaced, all of them', () => {
    expect(told(false, { fields: ['host: shop.example:81', ...SPOOFED], peerAddress: '10.1.2.3' })).toEqual([
      'x-forwarded-for: 10.1.2.3',
      'x-forwarded-proto: http',
      'x-forwarded-host: shop.example:81',
    ]);
  });

  test('of a trusted peer are continued, but never its word on certificates', () => {
    const fields = ['host: shop.example', ...SPOOFED];
    expect(told(true, { fields, peerAddress: '10.1.2.3', peerIdentity: PEER })).toEqual([
      'X-Forwarded-For: 6.6.6.6',
      'x-forwarded-proto: gopher',
      'x-forwarded-host: evil',
      'forwarded: for=6.6.6.6',
      'x-forwarded-for: 10.1.2.3',
      `x-forwarded-client-cert: By=${OWN};URI=${PEER}`,
    ]);
  });

  test('name the certificate that mTLS proved, and https', () => {
    expect(told(true, { fields: ['host: a'], peerIdentity: PEER })).toEqual([
      'x-forwarded-for: 10.0.0.9',
      'x-forwarded-proto: https',
      'x-forwarded-host: a',
      `x-forwarded-client-cert: By=${OWN};URI=${PEER}`,
    ]);
  });

  test('can not be taken off by nominating them in Connection', () => {
    const fields = ['host: a', 'connection: x-forwarded-client-cert, x-forwarded-for'];
    expect(told(true, { fields, peerIdentity: PEER })).toContain(
      `x-forwarded-client-cert: By=${OWN};URI=${PEER}`,
    );
  });

  test('follow the caller from request to request', () => {
    const chain = compileChain([new ForwardedFilter(true, () => OWN)]);
    const callers = ['10.0.0.1', '10.0.0.2', '10.0.0.1'];
    const seen = callers.map((peerAddress, i) => {
      const { forwarded } = travel({ chain, peerAddress, peerIdentity: `${PEER}${i}` });
      return forwarded?.filter((line) => /^x-forwarded-(for|client-cert)/.test(line));
    });
    expect(seen).toEqual(
      callers.map((address, i) => [
        `x-forwarded-for: ${address}`,
        `x-forwarded-client-cert: By=${OWN};URI=${PEER}${i}`,
      ]),
    );
  });

  test.each([
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['', 'unknown'],
  ])('write the address %j as %j', (peerAddress, shown) => {
    expect(told(false, { peerAddress })).toContain(`x-forwarded-for: ${shown}`);
  });

  test('have no host when the request has none', () => {
    const lines = told(false, { requestLine: 'GET / HTTP/1.0', fields: [] });
    expect(lines).toEqual(['x-forwarded-for: 10.0.0.9', 'x-forwarded-proto: http']);
  });
});
