/**
 * The trust bundle of one trust domain in the format of SPIFFE (SPIFFE Trust Domain and Bundle, sections 4 and 5): a JWK set whose keys carry the roots as certificates.
 *
 * Invariants: what `readSpiffeBundle` returns has at least one root, each belongs to an authority, and none says that it is of another trust domain. What
 * it does not know it ignores, as the standard asks for; what it can't use of what it knows is an error, so that a bundle counts as a whole.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { readCertificates } from './svid.ts';

export interface SpiffeBundle {
  /** Grows with every change. */
  readonly sequence: number;
  /** PEM, at least one. */
  readonly rootsPem: string;
  /** How soon it may be asked for again; null when that was not said. */
  readonly refreshSeconds: number | null;
}

const LIMITS = { keys: 64, certificateChars: 16_384 } as const;

/** JSON. */
export function writeSpiffeBundle({ sequence, rootsPem, refreshSeconds }: SpiffeBundle): object {
  return {
    keys: readCertificates(rootsPem, 'roots').map((root) => ({
      use: 'x509-svid',
      ...root.publicKey.export({ format: 'jwk' }),
      x5c: [root.raw.toString('base64')],
    })),
    spiffe_sequence: sequence,
    ...(refreshSeconds !== null && { spiffe_refresh_hint: refreshSeconds }),
  };
}

/** Throws an error that says what is wrong. */
export function readSpiffeBundle(document: unknown, trustDomain: string): SpiffeBundle {
  const parsed = jwkSet.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`not a SPIFFE bundle: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: refreshSeconds } = parsed.data;
  const roots = keys.filter(({ use }) => use === 'x509-svid').map((key) => readRoot(key.x5c, trustDomain));
  if (roots.length === 0) throw new Error('the SPIFFE bundle has no root for X.509 SVIDs');
  return { sequence, rootsPem: roots.map((root) => root.toString()).join(''), refreshSeconds };
}

const jwkSet = z.object({
  keys: z
    .array(
      z.object({
        use: z.string().optional(),
        x5c: z.array(z.string().max(LIMITS.certificateChars)).optional(),
      }),
    )
    .max(LIMITS.keys),
  spiffe_sequence: z.int().nonnegative().default(0),
  spiffe_refresh_hint: z.int().nonnegative().nullable().default(null),
});

function readRoot(x5c: readonly string[] | undefined, trustDomain: string): X509Certificate {
  if (x5c?.length !== 1) throw new Error('a key of the SPIFFE bundle must have exactly one certificate');
  const root = parseCertificate(x5c[0] as string);
  if (!root.ca) throw new Error('a certificate of the SPIFFE bundle is not that of an authority');
  const names = root.subjectAltName?.split(', ').filter((name) => name.startsWith('URI:')) ?? [];
  const stranger = names.find((name) => name !== `URI:spiffe://${trustDomain}`);
  if (stranger === undefined) return root;
  throw new Error(
    `a root of the SPIFFE bundle is for ${stranger.slice(4)}, not for trust domain ${trustDomain}`,
  );
}

function parseCertificate(base64: string): X509Certificate {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64'));
  } catch {
    throw new Error('a certificate of the SPIFFE bundle cannot be parsed');
  }
}
