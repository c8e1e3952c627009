// What depends on the connection that a head came over; the syntax is the business of test/conformance.
import { expect, test } from 'vitest';
import { Failure } from '../../core/failure.ts';
import { RequestHead } from '../head.ts';
import { scanRequestHead } from './request-head.ts';

const HTTPS = Buffer.from('GET https://a.test/b HTTP/1.1\r\nhost: a.test:443\r\n\r\n');

test('an https target is taken over an encrypted connection', () => {
  const head = new RequestHead();
  head.encrypted = true;
  expect(scanRequestHead(head, HTTPS, 0, HTTPS.length)).toBe(HTTPS.length);
  expect(head.path).toBe('/b');
});

test('an https target is refused over a plain one, for the next head on it as well', () => {
  const head = new RequestHead();
  for (let i = 0; i < 2; i++) {
    expect(scanRequestHead(head, HTTPS, 0, HTTPS.length)).toBe(-Failure.misdirectedRequest.code);
    head.reset();
  }
});
