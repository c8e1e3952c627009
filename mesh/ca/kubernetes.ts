/**
 * Who asks, by the projected service-account token of a pod: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
 *
 * Invariants: the API server alone says whose token it is, and that it was made for this authority: a token for another audience proves nothing here, nor does one
 * whose audience the API server did not look at. Unless the config allows otherwise the token is bound to a pod, and ends with it. What the API server
 * is asked is bounded in rate and number, and an answer is believed for a few seconds.
 */
import { createHash } from 'node:crypto';
import type { V1TokenReviewStatus } from '@kubernetes/client-node';
import { parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';
import type { Attested, Attestor, Claim } from './attestor.ts';
import { LIMITS } from './limits.ts';
import { Refusal, refuseProof, unavailable } from './refusal.ts';
import { TokenBucket } from './token-bucket.ts';
import type { ReviewToken } from './token-review.ts';

export interface KubernetesOptions {
  readonly trustDomain: string;
  readonly audience: string;
  readonly requirePod: boolean;
  readonly review: ReviewToken;
  readonly nowMs?: () => number;
}

interface Verdict {
  readonly id: Promise<string>;
  readonly untilMs: number;
}

export class Kubernetes implements Attestor {
  readonly #options: KubernetesOptions;
  readonly #nowMs: () => number;
  readonly #reviews: TokenBucket;
  /** By SHA-256 of the token, the oldest first. */
  readonly #verdicts = new Map<string, Verdict>();
  #underWay = 0;

  constructor(options: KubernetesOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#reviews = new TokenBucket(LIMITS.tokenReviewsPerSecond, LIMITS.tokenReviewBurst, this.#nowMs());
  }

  async attest({ token }: Claim): Promise<Attested> {
    if (token === null || token.length > LIMITS.serviceAccountTokenChars || !JWT.test(token))
      throw rejected();
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#verdicts.get(digest);
    if (known !== undefined && known.untilMs > this.#nowMs()) return { spiffeId: await known.id };
    const id = this.#ask(token);
    this.#remember(digest, id);
    return { spiffeId: await id };
  }

  #remember(digest: string, id: Promise<string>): void {
    const verdict = { id, untilMs: this.#nowMs() + LIMITS.verdictMs };
    // Put at the end, where the newest are.
    this.#verdicts.delete(digest);
    this.#verdicts.set(digest, verdict);
    const [oldest] = this.#verdicts.keys();
    if (this.#verdicts.size > LIMITS.verdicts && oldest !== undefined) this.#verdicts.delete(oldest);
    id.catch((error: unknown) => {
      // That there was no answer is none to be remembered.
      const isVerdict = error instanceof Refusal && error.status < 500;
      if (!isVerdict && this.#verdicts.get(digest) === verdict) this.#verdicts.delete(digest);
    });
  }

  async #ask(token: string): Promise<string> {
    if (this.#underWay >= LIMITS.tokenReviewsUnderWay || !this.#reviews.take(this.#nowMs())) {
      throw unavailable('attestation_busy', 'Too many tokens are being looked at; try again.', 1);
    }
    this.#underWay++;
    try {
      const status = await this.#options.review(token, this.#options.audience);
      return readVerdict(status, this.#options);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw unavailable(
        'attestation_unavailable',
        'The API server cannot be asked now; try again.',
        5,
        error,
      );
    } finally {
      this.#underWay--;
    }
  }
}

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
// Names of Kubernetes: a DNS label, and a DNS subdomain.
const ACCOUNT =
  /^system:serviceaccount:([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?):([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$/;
const POD_UID = 'authentication.kubernetes.io/pod-uid';

/** Throws a `Refusal`. */
export function readVerdict(
  { authenticated, audiences, user }: V1TokenReviewStatus,
  { trustDomain, audience, requirePod }: Pick<KubernetesOptions, 'trustDomain' | 'audience' | 'requirePod'>,
): string {
  if (authenticated !== true) throw rejected();
  // An API server that knows nothing of audiences names none, and vouches for tokens that were meant for others.
  if (!Array.isArray(audiences) || !audiences.includes(audience)) {
    throw refuseProof('wrong_audience', `The token must be made for the audience "${audience}".`);
  }
  const account = ACCOUNT.exec(user?.username ?? '');
  const spiffeId = `spiffe://${trustDomain}/ns/${account?.[1]}/sa/${account?.[3]}`;
  if (account === null || parseWorkloadId(spiffeId) === null) {
    throw refuseProof('no_service_account', 'The token must be that of a service account.');
  }
  if (requirePod && !user?.extra?.[POD_UID]?.[0]) {
    throw refuseProof('not_of_a_pod', 'The token must be bound to a pod: mount it as a projected volume.');
  }
  return spiffeId;
}

function rejected(): Refusal {
  return refuseProof(
    'invalid_token',
    'Authorization must hold a valid service-account token of this cluster.',
  );
}
