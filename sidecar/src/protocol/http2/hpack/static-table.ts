/** The static table (RFC 7541 appendix A), each entry rendered once as the line that it stands for. */
import { kindOfName, VALUE_WELL_FORMED } from './field.ts';

export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** The highest index of the static table; the dynamic one starts behind it. */
export const STATIC_ENTRIES = STATIC_FIELDS.length;

/** All lines end to end; by index: where each one starts (the next one's start is its end), the bytes of its name, and its kind. */
export const STATIC_BYTES = Buffer.from(
  STATIC_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join(''),
);
export const STATIC_STARTS = new Int32Array(STATIC_ENTRIES + 2);
export const STATIC_NAMES = new Int32Array(STATIC_ENTRIES + 1);
export const STATIC_KINDS = new Int32Array(STATIC_ENTRIES + 1);

for (let index = 1; index <= STATIC_ENTRIES; index++) {
  const start = STATIC_STARTS[index] as number;
  const nameEnd = STATIC_BYTES.indexOf(': ', start);
  STATIC_NAMES[index] = nameEnd - start;
  STATIC_KINDS[index] = kindOfName(STATIC_BYTES, start, nameEnd) | VALUE_WELL_FORMED;
  STATIC_STARTS[index + 1] = STATIC_BYTES.indexOf('\r\n', start) + 2;
}
