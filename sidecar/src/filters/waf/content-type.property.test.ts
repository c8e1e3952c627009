import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseContentType } from './content-type.ts';

describe('what a body says it is', () => {
  it.each([
    ['application/json', 'json'],
    ['Application/JSON; charset=UTF-8', 'json'],
    ['application/json;', 'json'],
    ['application/problem+json', 'json'],
    ['application/vnd.api+json;ext="a;b=\\"c\\""', 'json'],
    ['application/x-ndjson', 'json-lines'],
    ['application/x-www-form-urlencoded', 'form'],
    ['multipart/form-data; boundary=x', 'multipart'],
    ['multipart/mixed; boundary="a b"', 'multipart'],
    ['text/plain', 'text'],
    ['image/svg+xml', 'text'],
    ['', 'text'],
    ['application/octet-stream', 'unknown'],
    ['application/jsonp', 'unknown'],
    ['multipart/form-data', 'malformed'],
    ['multipart/form-data; boundary=a; Boundary=b', 'malformed'],
    ['application/json, text/plain', 'malformed'],
    ['application/json; charset', 'malformed'],
    ['application/json charset=utf-8', 'malformed'],
    ['application/json; charset="utf-8', 'malformed'],
    ['json', 'malformed'],
    ['a/b/c', 'malformed'],
  ])('%j is %s', (text, kind) => expect(parseContentType(text).kind).toBe(kind));

  it('has a charset and a boundary', () => {
    const text = 'multipart/form-data; charset=UTF-16LE; boundary="x \\"y\\""';
    expect(parseContentType(text)).toEqual({ kind: 'multipart', boundary: 'x "y"', charset: 'utf-16le' });
  });
});

test('whatever stands in quotes comes out of them', () => {
  const text = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  });
  fc.assert(
    fc.property(text, (boundary) => {
      fc.pre(boundary !== '');
      const quoted = boundary.replace(/["\\]/g, '\\$&');
      expect(parseContentType(`multipart/a; boundary="${quoted}"`)).toMatchObject({ boundary });
    }),
  );
});
