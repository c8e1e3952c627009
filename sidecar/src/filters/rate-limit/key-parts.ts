/**
 * What the key of a limit is made of: each part reads one value from a request.
 *
 * Invariants: a part that the request does not have is null, never an error. Fields that repeat are one value, joined as RFC 9110 section 5.3
 * says, so that a second line can't hide the first. Nothing is kept of a token.
 */
import type { Exchange } from '../../core/exchange.ts';
import { LIMITS } from '../../core/limits.ts';
import { pathEnd } from '../../observe/request-line.ts';
import { fieldId } from '../../protocol/field-names.ts';
import type { RequestHead } from '../../protocol/head.ts';
import type { KeyPartSpec } from './config.ts';

export interface KeyPart {
  read(exchange: Exchange): string | null;
}

const AUTHORIZATION = fieldId('authorization');
/** A payload between two dots; header and signature are for others. */
const BEARER = /^bearer +[\w-]+\.([\w-]+)\.[\w-]*$/i;

/** `verifiesTokens`: a JwtPolicy does, so that nothing else is believed about them. */
export function createKeyPart(spec: KeyPartSpec, verifiesTokens: boolean): KeyPart {
  if ('header' in spec) return new FieldPart(spec.header);
  if ('claim' in spec) {
    return spec.trustUnverified && !verifiesTokens
      ? new UnverifiedClaimPart(spec.claim)
      : new ClaimPart(spec.claim);
  }
  return REQUEST_PARTS[spec.request];
}

const REQUEST_PARTS: Record<'path' | 'route' | 'method' | 'peer' | 'address', KeyPart> = {
  /** Without its query. */
  path: { read: ({ request }) => request.bytes.toString('latin1', request.pathStart, pathEnd(request)) },
  route: { read: ({ route }) => route.name },
  method: { read: ({ request }) => request.method },
  peer: { read: ({ peerIdentity }) => (peerIdentity === '' ? null : peerIdentity) },
  address: { read: ({ peerAddress }) => peerAddress },
};

class FieldPart implements KeyPart {
  private readonly name: Buffer;

  constructor(name: string) {
    this.name = Buffer.from(name, 'latin1');
  }

  read({ request }: Exchange): string | null {
    let value: string | null = null;
    for (let row = findRow(request, this.name, 0); row !== -1; row = findRow(request, this.name, row + 1)) {
      const text = request.bytes.toString('latin1', request.valueStart(row), request.valueEnd(row));
      value = value === null ? text : `${value}, ${text}`;
    }
    return value;
  }
}

/** Of a token that a JwtPolicy has verified. */
class ClaimPart implements KeyPart {
  private readonly path: readonly string[];

  constructor(claim: string) {
    this.path = [claim];
  }

  read({ token }: Exchange): string | null {
    return token === null ? null : claimText(token.claimAt(this.path));
  }
}

/** Of a bearer token whose signature nobody here has checked. */
class UnverifiedClaimPart implements KeyPart {
  private readonly claim: string;

  constructor(claim: string) {
    this.claim = claim;
  }

  read({ request }: Exchange): string | null {
    const field = request.value(AUTHORIZATION);
    if (field === null || field.length > LIMITS.jwtBytes) return null;
    const payload = BEARER.exec(field)?.[1];
    if (payload === undefined) return null;
    return claimText(parsePayload(payload)?.[this.claim]);
  }
}

function claimText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

function parsePayload(payload: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

/** Units that a request says it costs: between 1 and `max`, and `otherwise` when it does not say, or not in digits. */
export class CostField {
  private readonly name: Buffer;
  private readonly max: number;
  private readonly otherwise: number;

  constructor(name: string, max: number, otherwise: number) {
    this.name = Buffer.from(name, 'latin1');
    this.max = max;
    this.otherwise = otherwise;
  }

  read(request: RequestHead): number {
    const row = findRow(request, this.name, 0);
    if (row === -1) return this.otherwise;
    const end = request.valueEnd(row);
    let units = 0;
    for (let at = request.valueStart(row); at < end; at++) {
      const digit = (request.bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) return this.otherwise;
      units = Math.min(units * 10 + digit, this.max);
    }
    return Math.max(units, 1);
  }
}

/** The next row with the name, in whatever case it is written; -1 when there is none. */
function findRow(request: RequestHead, name: Buffer, from: number): number {
  const { bytes } = request;
  for (let row = from; row < request.rows; row++) {
    const start = request.lineStart(row);
    if (request.nameEnd(row) - start !== name.length || request.dropped[row] === 1) continue;
    let i = 0;
    while (i < name.length && lowerCase(bytes[start + i] as number) === name[i]) i++;
    if (i === name.length) return row;
  }
  return -1;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
