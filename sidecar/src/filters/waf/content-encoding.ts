/**
 * Undoes the content codings of a body (RFC 9110 section 8.4), for inspection; what is forwarded stays as it came.
 *
 * Invariants: what comes out is bounded in size and in proportion to what went in, so that a few bytes can't become a long inspection. The
 * number of codings is bounded, too.
 */
import {
  brotliDecompressSync,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
  zstdDecompressSync,
} from 'node:zlib';
import { LIMITS } from '../../core/limits.ts';
import { OTHER_FIELD } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';

export type DecodeProblem = 'unparsable' | 'oversize';

type Decode = (body: Buffer, options: ZlibOptions) => Buffer;

const NAME = Buffer.from('content-encoding');
const TOO_LARGE = 'ERR_BUFFER_TOO_LARGE';

const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  // Some leave the wrapper of zlib out, and recipients read both.
  ['deflate', (body, options) => (hasZlibHeader(body) ? inflateSync : inflateRawSync)(body, options)],
  ['br', (body, { maxOutputLength }) => brotliDecompressSync(body, bound(maxOutputLength))],
  ['zstd', (body, { maxOutputLength }) => zstdDecompressSync(body, bound(maxOutputLength))],
]);

/** In the order in which they were applied; null when there are too many, or one that is not known. */
export function readCodings(request: RequestHead): readonly string[] | null {
  const codings: string[] = [];
  for (let row = 0; row < request.rows; row++) {
    if (request.ids[row] !== OTHER_FIELD || request.dropped[row] === 1 || !request.isNamed(row, NAME))
      continue;
    const text = request.bytes.toString('latin1', request.valueStart(row), request.valueEnd(row));
    for (const part of text.split(',')) {
      const coding = part.trim().toLowerCase();
      if (coding === '' || coding === 'identity') continue;
      if (!DECODERS.has(coding) || codings.length === LIMITS.wafCodings) return null;
      codings.push(coding);
    }
  }
  return codings;
}

/** `maxBytes` bounds what comes out of each coding. */
export function decodeBody(
  body: Buffer,
  codings: readonly string[],
  maxBytes: number,
): Buffer | DecodeProblem {
  let decoded = body;
  for (const coding of codings.toReversed()) {
    const proportional = Math.max(LIMITS.wafInflationFreeBytes, decoded.length * LIMITS.wafInflationRatio);
    const maxOutputLength = Math.min(maxBytes, proportional);
    try {
      decoded = (DECODERS.get(coding) as Decode)(decoded, { maxOutputLength });
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === TOO_LARGE ? 'oversize' : 'unparsable';
    }
  }
  return decoded;
}

function bound(maxOutputLength: number | undefined): { maxOutputLength?: number } {
  return maxOutputLength === undefined ? {} : { maxOutputLength };
}

/** RFC 1950 section 2.2: method 8, and a check of the first two bytes. */
function hasZlibHeader(body: Buffer): boolean {
  const [first = 0, second = 0] = body;
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
}
