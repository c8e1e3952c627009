/**
 * One certificate: read the request, settle who asks, sign, spend the evidence.
 *
 * Invariants: the request is sound before any proof is looked at, and a join token is spent last, so that neither a broken request nor an issuer that is away costs one. The id is the attestor's word; the
 * public key is all that counts of the request. Every certificate is reported.
 */
import { createHash, webcrypto } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import type { Attestor } from './attestor.ts';
import { type CheckedCsr, InvalidCsr, readCsr } from './csr.ts';
import type { Denials } from './denials.ts';
import type { IdentityRates } from './identity-rates.ts';
import type { Issuer } from './issuer.ts';
import { LIMITS } from './limits.ts';
import { Refusal } from './refusal.ts';

export interface IssuanceOptions {
  readonly issuer: Issuer;
  /** By the last segment of their path. */
  readonly attestors: ReadonlyMap<string, Attestor>;
  readonly rates: IdentityRates;
  readonly denials: Denials;
  readonly svidTtlSeconds: number;
  readonly report: (decision: Decision) => void;
}

export type Decision =
  | {
      event: 'issued';
      proof: string;
      spiffeId: string;
      serialNumber: string;
      notAfter: string;
      from: string;
    }
  | { event: 'refused'; code: string; detail: string; from: string }
  | { event: 'server_certificate_failed'; detail: string };

/** @param proof which attestor is to be convinced. Throws a `Refusal`. */
export async function issueSvid(
  request: IncomingMessage,
  proof: string,
  { issuer, attestors, rates, denials, svidTtlSeconds, report }: IssuanceOptions,
): Promise<object> {
  const attestor = attestors.get(proof);
  if (attestor === undefined) {
    throw new Refusal(404, 'not_found', `Proof is one of ${[...attestors.keys()].join(', ')}.`);
  }
  const csr = await readRequest(request);
  const { spiffeId, spend } = await attestor.attest({
    token: /^Bearer +([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null,
    socket: request.socket as TLSSocket,
    keySha256: await hashKey(csr),
  });
  if (denials.has(spiffeId)) throw new Refusal(403, 'denied', `${spiffeId} is denied.`);
  rates.take(spiffeId);
  const { certificatesPem, serialNumber, notBeforeMs, notAfterMs } = await issuer.sign({
    csr,
    spiffeId,
    ttlSeconds: svidTtlSeconds,
  });
  await spend?.();
  const notAfter = new Date(notAfterMs).toISOString();
  const from = request.socket.remoteAddress ?? '';
  report({ event: 'issued', proof, spiffeId, serialNumber, notAfter, from });
  return {
    certificates: certificatesPem,
    roots: issuer.trustBundle().rootsPem,
    spiffeId,
    notBefore: new Date(notBeforeMs).toISOString(),
    notAfter,
  };
}

const svidRequest = z.strictObject({ csr: z.string() });

async function readRequest(request: IncomingMessage): Promise<CheckedCsr> {
  const { csr } = await readBody(request);
  return readCsr(csr).catch((error: unknown) => {
    throw error instanceof InvalidCsr ? new Refusal(400, 'invalid_csr', error.message) : error;
  });
}

async function readBody(request: IncomingMessage): Promise<z.infer<typeof svidRequest>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop must not destroy the socket: the refusal still has to be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LIMITS.bodyBytes) {
      throw new Refusal(413, 'body_too_large', `The body is larger than ${LIMITS.bodyBytes} bytes.`);
    }
    chunks.push(chunk);
  }
  try {
    return svidRequest.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    throw new Refusal(400, 'invalid_body', 'The body must be JSON: { "csr": "<PKCS#10 in PEM>" }.');
  }
}

async function hashKey({ publicKey }: CheckedCsr): Promise<string> {
  const spki = await webcrypto.subtle.exportKey('spki', publicKey);
  return createHash('sha256').update(Buffer.from(spki)).digest('hex');
}
