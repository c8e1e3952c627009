import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestHead } from '../../protocol/head.ts';
import { scanRequestHead } from '../../protocol/http1/request-head.ts';
import { type BodyReading, readBody } from './body-reader.ts';
import { spec } from './config.ts';
import { Inspector } from './inspector.ts';

const ATTACK = "1' UNION SELECT card FROM customers--";
const BODY = spec.parse({}).body;
const inspector = new Inspector({ paranoia: 1, maxDepth: 32, maxFields: 10_000, exceptions: [] });

const types = fc.constantFrom(
  null,
  'application/json',
  'application/json; charset=utf-8',
  'application/problem+json',
  'application/x-ndjson',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain; charset=iso-8859-1',
  'application/xml',
  'application/octet-stream',
  'image/png; charset=utf-16',
  'application/json; charset=shift_jis',
  'nonsense',
);

/** The attack stands somewhere among harmless values. */
const documents = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), fc.integer({ min: 0, max: 5 }))
  .map(([before, after, depth]) => {
    let value: unknown = { before, q: ATTACK, after };
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [before, value] : { value };
    return value;
  });

function read(body: Buffer, type: string | null, whole = true): BodyReading {
  const fields = type === null ? [] : [`content-type: ${type}`];
  const raw = Buffer.from(['POST / HTTP/1.1', 'host: a', ...fields, '', ''].join('\r\n'));
  const request = new RequestHead();
  expect(scanRequestHead(request, raw, 0, raw.length)).toBe(raw.length);
  inspector.begin();
  return readBody(request, body, whole, inspector, BODY);
}

/** By a policy of defaults. */
function isRefused(reading: BodyReading): boolean {
  return inspector.score >= 5 || reading === 'unparsable' || reading === 'oversize';
}

test('JSON with an attack in it is refused, whatever its body says it is', () => {
  fc.assert(
    fc.property(
      documents,
      types,
      fc.constantFrom('', ' \n\t', '\uFEFF'),
      fc.boolean(),
      (value, type, lead, wide) => {
        const body = Buffer.from(lead + JSON.stringify(value, null, wide ? 2 : 0));
        expect(isRefused(read(body, type))).toBe(true);
      },
    ),
  );
});

test('what is cut behind an attack is refused by its beginning', () => {
  fc.assert(
    fc.property(documents, types, fc.nat({ max: 200 }), (value, type, extra) => {
      const text = JSON.stringify(value);
      const cut = text.indexOf(ATTACK) + ATTACK.length + extra;
      expect(isRefused(read(Buffer.from(text.slice(0, cut)), type, false))).toBe(true);
    }),
  );
});

test('JSON that says so is read to its end', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(read(Buffer.from(JSON.stringify(value)), 'application/json')).toBe('whole');
    }),
  );
});

test('any bytes can be read, and only those of an unknown type may be no text', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      types,
      fc.boolean(),
      (bytes, type, whole) => {
        const reading = read(Buffer.from(bytes), type, whole);
        if (reading === 'binary') expect(type).toBe('application/octet-stream');
        if (reading === 'whole') expect(whole).toBe(true);
      },
    ),
  );
});
