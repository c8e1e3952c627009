/**
 * The PKI engine of Vault, as far as an authority needs it: sign by a role, and read who signs.
 *
 * Invariants: calls under way are bounded, and what is beyond that is refused at once; the bounds of one call are those of the session. What comes back has the
 * shape that it should have, and nothing else is promised: its reader checks it.
 */
import { z } from 'zod';
import type { VaultAnswer } from '../secrets/vault-client.ts';
import type { VaultSession } from '../secrets/vault-session.ts';
import { LIMITS } from './limits.ts';
import { unavailable } from './refusal.ts';

/** PEM. */
export interface SignedByVault {
  readonly certificate: string;
  /** From who signed it up to the root, as far as Vault knows. */
  readonly chain: readonly string[];
}

export class VaultPki {
  readonly #session: VaultSession;
  readonly #mount: string;
  #underWay = 0;

  constructor(session: VaultSession, mount: string) {
    this.#session = session;
    this.#mount = mount;
  }

  /** Throws a `Refusal` with 503 when Vault does not sign. */
  async sign(role: string, request: Readonly<Record<string, string>>): Promise<SignedByVault> {
    if (this.#underWay >= LIMITS.vaultSignsUnderWay) {
      throw unavailable('issuer_busy', 'Too many certificates are being signed; try again.', 1);
    }
    this.#underWay++;
    try {
      const answer = await this.#session.write(`${this.#mount}/sign/${role}`, request);
      const { certificate, ca_chain } = read(signed, answer);
      return { certificate, chain: ca_chain };
    } catch (error) {
      throw unavailable('issuer_unavailable', 'Vault does not sign now; try again.', 5, error);
    } finally {
      this.#underWay--;
    }
  }

  /** Certificates of all who may sign, and of those above them. PEM. */
  async readAuthorities(): Promise<string[]> {
    const { keys } = read(list, await this.#session.list(`${this.#mount}/issuers`));
    const found = await Promise.all(
      keys.map(async (key) => {
        const issuer = read(authority, await this.#session.read(`${this.#mount}/issuer/${key}/json`));
        return [issuer.certificate, ...issuer.ca_chain];
      }),
    );
    return found.flat();
  }
}

const pem = z.string().max(LIMITS.certificateChars);
const signed = z.object({ certificate: pem, ca_chain: z.array(pem).max(LIMITS.vaultIssuers) });
const list = z.object({
  keys: z
    .array(z.string().regex(/^[A-Za-z0-9-]+$/))
    .min(1)
    .max(LIMITS.vaultIssuers),
});
const authority = z.object({ certificate: pem, ca_chain: z.array(pem).max(LIMITS.vaultIssuers) });

function read<Shape>(shape: z.ZodType<Shape>, { data }: VaultAnswer): Shape {
  const parsed = shape.safeParse(data);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`Vault's answer is not as expected at ${issue?.path.join('.')}: ${issue?.message}`);
}
