import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, isHostName, isLoopback, parseAddress } from './address.ts';

const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => isIPv6(text)),
  fc.domain().map((text) => text.toLowerCase()),
);

describe('parseAddress', () => {
  test('reads back what formatAddress writes', () => {
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const address = { host: name, port };
        expect(parseAddress(formatAddress(address), 'connect')).toEqual({ address });
      }),
    );
  });

  test('either accepts any text or says what is wrong, and accepts only ports in range', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('listen' as const, 'connect' as const), (text, use) => {
        const result = parseAddress(text, use);
        if ('address' in result) {
          expect(result.address.port).toBeLessThanOrEqual(65_535);
          expect(result.address.port).toBeGreaterThanOrEqual(use === 'connect' ? 1 : 0);
        } else {
          expect(result.message).not.toBe('');
        }
      }),
    );
  });

  test.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['0.0.0.0:15006', { host: '0.0.0.0', port: 15_006 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['[FE80::1]:8080', { host: 'fe80::1', port: 8080 }],
    ['LocalHost:1', { host: 'localhost', port: 1 }],
  ])('listens on %s', (text, address) => {
    expect(parseAddress(text, 'listen')).toEqual({ address });
  });

  test.each([
    ['8080', 'is not a host:port address', 'did you mean "127.0.0.1:8080"?'],
    [':8080', 'has no host', 'did you mean "127.0.0.1:8080"?'],
    ['127.0.0.1', 'is not a host:port address', 'add a port: "127.0.0.1:8080"'],
    ['redis', 'is not a host:port address', 'add a port: "redis:8080"'],
    ['::1', 'is not a host:port address', 'put an IPv6 address in brackets and add a port: "[::1]:8080"'],
    ['fe80::1:80', 'is not a host:port address', 'put an IPv6 address in brackets: "[fe80::1]:80"'],
    ['http://a:80', 'is not a host:port address', 'leave out the scheme and the path: host:port alone'],
    ['', 'is not a host:port address', 'write 127.0.0.1:8080, or "[::1]:8080" for IPv6'],
    ['[::g]:80', 'has brackets around "::g", which is not an IPv6 address', null],
    ['a b:80', 'has a host that is neither a name nor an IP address: "a b"', null],
    ['127.0.0.256:80', 'has a host that is neither a name nor an IP address: "127.0.0.256"', null],
    ['a:65536', 'has a port out of range: "65536"', 'use 1 to 65535'],
    ['a:', 'has a port out of range: ""', 'use 1 to 65535'],
    ['a:-1', 'has a port out of range: "-1"', 'use 1 to 65535'],
    ['a:0', 'has port 0, to which nothing can connect', 'use the port the service listens on'],
  ])('does not connect to %j', (text, message, suggestion) => {
    expect(parseAddress(text, 'connect')).toEqual({ message, suggestion });
  });

  test('listens on no host name, as it could resolve to any interface', () => {
    expect(parseAddress('web:80', 'listen')).toMatchObject({
      message: 'must listen on an IP address or localhost, not "web"',
    });
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['128.0.0.1', false],
  ['localhost.example.org', false],
])('isLoopback(%s) is %s', (text, expected) => {
  expect(isLoopback(text)).toBe(expected);
});

test.each([
  ['webhook-dispatcher', true],
  ['a.b.svc.cluster.local', true],
  ['_grpc.a', true],
  ['1.2.3', false],
  ['-a', false],
  ['a..b', false],
  ['a'.repeat(64), false],
  ['', false],
])('isHostName(%s) is %s', (text, expected) => {
  expect(isHostName(text)).toBe(expected);
});
