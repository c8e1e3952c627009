import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { decodeLayer } from './detect/decode.ts';
import { isLike } from './detect/hits.ts';
import { unescapeText } from './detect/json-text.ts';
import { MOST_HITS, MOST_SAMPLE_LENGTH } from './detect/limits.ts';
import { Inspector } from './inspector.ts';

const ATTACKS = [
  "x' or 1=1 -- ",
  '1 union select null, version()',
  '; drop table users; --',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '../../etc/passwd',
  '; cat /etc/passwd',
  '$(id)',
];
/** What detectors look for, in any order. */
const pieces = fc.constantFrom(
  ...'\'"`<>()[]{}=;:|&$%\\/.*-#!@~^, \n\t\0',
  ...[
    '/*',
    '*/',
    '/*!',
    '--',
    'or',
    'and',
    'union',
    'select',
    'from',
    'case',
    'when',
    'sleep',
    'exec',
    'drop table',
  ],
  ...[
    '../',
    '/etc/',
    'javascript:',
    'onerror',
    '<svg',
    'alert',
    'this.',
    'db.',
    '$ne',
    '$where',
    '__proto__',
    'cat',
  ],
  ...['%27', '%u0027', '\\u0027', '&#39;', '&lt;', '＇', ' ', 'é', 'a', '1', '{"a":', '"}'],
);
const hostile = fc.array(pieces, { maxLength: 200 }).map((list) => list.join(''));
const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), hostile, fc.constantFrom(...ATTACKS));

function newInspector(): Inspector {
  const inspector = new Inspector({ paranoia: 3, maxDepth: 64, maxFields: 100_000, exceptions: [] });
  inspector.begin();
  return inspector;
}

function inspectAll(inspector: Inspector, text: string): void {
  const bytes = Buffer.from(text);
  const latin1 = bytes.toString('latin1');
  inspector.target(latin1);
  inspector.header('a', latin1);
  inspector.cookies(latin1);
  inspector.form(bytes);
  inspector.multipart(bytes, 'b');
  inspector.json(bytes);
  inspector.json(Buffer.from(JSON.stringify({ [text]: [text, { text }] })));
}

test('whatever comes: nothing is thrown, and what is told is bounded and printable', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const inspector = newInspector();
      inspectAll(inspector, text);
      expect(inspector.hits.length).toBeLessThanOrEqual(MOST_HITS);
      for (const { sample, location } of inspector.hits) {
        expect(sample).toMatch(/^…?[ -~]*$/);
        expect(sample.length).toBeLessThanOrEqual(MOST_SAMPLE_LENGTH);
        expect(location).toMatch(/^[!-~]*$/);
      }
      expect(inspector.score).toBe(inspector.hits.reduce((sum, { rule }) => sum + rule.score, 0));
    }),
    { numRuns: 500 },
  );
});

test('nothing of a request is left for the next one', () => {
  fc.assert(
    fc.property(texts, texts, (one, other) => {
      const used = newInspector();
      inspectAll(used, one);
      used.begin();
      inspectAll(used, other);
      const fresh = newInspector();
      inspectAll(fresh, other);
      expect(used.hits).toEqual(fresh.hits);
      expect([used.score, used.problem]).toEqual([fresh.score, fresh.problem]);
    }),
    { numRuns: 300 },
  );
});

describe('JSON is what JSON.parse takes, and nothing else', () => {
  const documents = fc.json({ maxDepth: 5 });
  const damaged = fc
    .tuple(documents, fc.nat(), fc.string({ maxLength: 2 }))
    .map(([text, position, inserted]) => {
      const at = position % (text.length + 1);
      return text.slice(0, at) + inserted + text.slice(at + (position % 2));
    });
  it.each([
    ['documents', documents],
    ['damaged documents', damaged],
    ['texts', fc.string()],
    ['numbers', fc.stringMatching(/^-?[0-9.eE+-]{0,8}$/)],
    ['strings', fc.stringMatching(/^"[\\"a-fu0-9/]{0,12}"$/)],
  ])('%s', (_, source) => {
    fc.assert(
      fc.property(source, (text) => {
        const inspector = newInspector();
        inspector.json(Buffer.from(text));
        expect(inspector.problem === '').toBe(isParsed(text));
      }),
      { numRuns: 1_000 },
    );
  });
});

function isParsed(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('decoding', () => {
  test('makes nothing longer, and comes to an end', () => {
    fc.assert(
      fc.property(texts, (text) => {
        let layer: Uint8Array = Buffer.from(text);
        for (;;) {
          const out = new Uint8Array(layer.length);
          const length = decodeLayer(layer, 0, layer.length, out);
          if (length === -1) break;
          expect(length).toBeLessThan(layer.length);
          layer = out.subarray(0, length);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('leaves ordinary texts as they are', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9 äöüéàñçßя,.;:!?()'"-]*$/), (text) => {
        const bytes = Buffer.from(text);
        expect(decodeLayer(bytes, 0, bytes.length, new Uint8Array(bytes.length))).toBe(-1);
      }),
    );
  });

  test('strings of JSON come out as JSON.parse reads them', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'é', '€', '\u0001', '/') }),
        (text) => {
          const quoted = JSON.stringify(text)
            .replaceAll('é', '\\u00e9')
            .replaceAll('€', '\\u20AC')
            .replaceAll('/', '\\/');
          const bytes = Buffer.from(quoted);
          const out = Buffer.alloc(bytes.length);
          expect(out.toString('utf8', 0, unescapeText(bytes, 1, bytes.length - 1, out))).toBe(text);
        },
      ),
    );
  });

  const encodings: readonly (readonly [string, (text: string) => string])[] = [
    ['percent', (text) => each(text, (code) => `%${hex(code, 2)}`)],
    ['percent twice', (text) => each(text, (code) => `%25${hex(code, 2)}`)],
    ['percent three times', (text) => each(text, (code) => `%2525${hex(code, 2)}`)],
    ['%u', (text) => each(text, (code) => `%u${hex(code, 4)}`)],
    ['\\u', (text) => each(text, (code) => `\\u${hex(code, 4)}`)],
    ['\\x', (text) => each(text, (code) => `\\x${hex(code, 2)}`)],
    ['\\u{}', (text) => each(text, (code) => `\\u{${hex(code, 2)}}`)],
    ['references of HTML', (text) => each(text, (code) => `&#${code};`)],
    ['references in hexadecimal', (text) => each(text, (code) => `&#x${hex(code, 2)};`)],
    [
      'full width',
      (text) => each(text, (code) => (code === 0x20 ? '\u3000' : String.fromCharCode(code + 0xfee0))),
    ],
    [
      'overlong UTF-8',
      (text) => each(text, (code) => `%c${(code >> 6).toString(16)}%${hex(0x80 | (code & 0x3f), 2)}`),
    ],
    ['characters without width', (text) => [...text].join('\u200b')],
    ['base64', (text) => Buffer.from(`${text}      `).toString('base64')],
  ];
  it.each(encodings)('finds attacks behind %s', (_, encode) => {
    for (const attack of ATTACKS) {
      const inspector = newInspector();
      inspector.json(Buffer.from(JSON.stringify({ a: encode(attack) })));
      expect(inspector.score, attack).toBeGreaterThanOrEqual(5);
    }
  });
});

function each(text: string, encode: (code: number) => string): string {
  return [...text].map((character) => encode(character.charCodeAt(0))).join('');
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

test('time is linear: four times the bytes are read four times as often', () => {
  fc.assert(
    fc.property(fc.array(pieces, { minLength: 1, maxLength: 8 }), (list) => {
      const repeated = list.join('').replace(/[^ -~]/g, 'x');
      const once = readsOf(repeated.repeat(Math.ceil(2_000 / repeated.length)));
      const fourTimes = readsOf(repeated.repeat(Math.ceil(8_000 / repeated.length)));
      expect(fourTimes).toBeLessThan(once * 5);
    }),
    { numRuns: 100 },
  );
});

/** How often the bytes of a text are read when it stands in a form, in which nothing is to be decoded. */
function readsOf(text: string): number {
  let reads = 0;
  const bytes = Buffer.from(JSON.stringify({ a: text }));
  const counted = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
      const value = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  newInspector().json(counted);
  return reads;
}

test('patterns of exceptions mean what a regular expression with .* means', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
  fc.assert(
    fc.property(letters, letters, (text, pattern) => {
      const plain = text.replaceAll('*', 'a');
      const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'));
      expect(isLike(plain, pattern)).toBe(new RegExp(`^${parts.join('.*')}$`).test(plain));
    }),
    { numRuns: 1_000 },
  );
});
