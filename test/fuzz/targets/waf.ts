// The inspection of a WAF. Whatever a request holds: no crash, nothing left for the next request, JSON refused exactly where JSON.parse refuses it.
import { deepStrictEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { Inspector } from '../../../sidecar/src/filters/waf/inspector.ts';
import { anything } from '../mutation.ts';
import { fuzzTarget } from '../target.ts';

const SEEDS = [
  '{"user":{"$ne":null},"a":[1,"\\u0024where"],"b":"{\\"c\\":\\"x\' or 1=1 -- \\"}"}',
  'a=1&b[$gt]=&c=1%2527%20union%20select%201,2--&d={"__proto__":1}',
  '/a/..%2f..%c0%af/etc/passwd?q=<script>alert(1)</script>&r=`id`;cat$IFS/etc/hosts',
  '--b\r\nContent-Disposition: form-data; name="a"; filename="../../x"\r\n\r\n$(id)\r\n--b--\r\n',
];
/** Its replies to what is asked for the second time, in the same order. */
const used = newInspector();

const damagedSeed = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(fc.tuple(fc.nat(200), fc.nat(255), fc.boolean()), { maxLength: 8 }),
  )
  .map(([seed, changes]) => {
    const bytes = [...Buffer.from(seed)];
    for (const [at, byte, inserts] of changes) bytes.splice(at % bytes.length, inserts ? 0 : 1, byte);
    return Uint8Array.from(bytes);
  });
const joined = anything().map((chunks) => Uint8Array.from(Buffer.concat(chunks.map(({ bytes }) => bytes))));

export const targets = [
  fuzzTarget({ name: 'waf', input: fc.oneof({ weight: 3, arbitrary: damagedSeed }, joined), check }),
];

function newInspector(): Inspector {
  return new Inspector({ paranoia: 3, maxDepth: 64, maxFields: 10_000, exceptions: [] });
}

function check(bytes: Uint8Array): void {
  const fresh = newInspector();
  for (const inspector of [fresh, used]) {
    inspector.begin();
    const text = Buffer.from(bytes).toString('latin1');
    inspector.target(text);
    inspector.header('a', text);
    inspector.cookies(text);
    inspector.form(bytes);
    inspector.multipart(bytes, 'b');
    inspector.json(bytes);
  }
  deepStrictEqual(used.hits, fresh.hits);
  deepStrictEqual(used.problem, fresh.problem);
  const alone = newInspector();
  alone.begin();
  alone.json(bytes);
  if (alone.problem === '') ok(isText(bytes), 'JSON was taken that JSON.parse refuses');
}

function isText(bytes: Uint8Array): boolean {
  // A byte order mark is skipped.
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
