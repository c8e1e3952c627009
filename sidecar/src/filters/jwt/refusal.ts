/**
 * Why a token is not believed. Made once, since nothing of a token is ever told.
 */
import { errors } from 'jose';
import { Failure, type FailureKind } from '../../core/failure.ts';
import { LIMITS } from '../../core/limits.ts';

const DESCRIPTIONS = {
  malformed: 'it is no signed JWT',
  repeated: 'there is more than one',
  too_large: `it is larger than ${LIMITS.jwtBytes} bytes`,
  unknown_issuer: 'its issuer is not trusted here',
  algorithm: 'its algorithm is not allowed',
  unknown_key: 'its issuer has no key, or no single one, that fits',
  signature: 'its signature is wrong',
  expired: 'it has expired',
  not_yet_valid: 'it is not valid yet',
  audience: 'it is for another audience',
  claims: 'a claim is missing or malformed',
  keys_unavailable: 'the keys of its issuer could not be had',
  overflow: 'too many tokens wait to be verified',
} as const;

export type RefusalReason = keyof typeof DESCRIPTIONS;
export const REFUSAL_REASONS = Object.keys(DESCRIPTIONS) as RefusalReason[];

export class TokenRefusal {
  readonly reason: RefusalReason;
  readonly failure: FailureKind;
  readonly description: string;
  /** What the answer says, as RFC 6750 section 3 has it; null where another token would be no better. */
  readonly challenge: string | null;

  constructor(reason: RefusalReason) {
    const unverifiable = reason === 'keys_unavailable' || reason === 'overflow';
    this.reason = reason;
    this.failure = unverifiable ? Failure.tokenUnverifiable : Failure.invalidToken;
    this.description = DESCRIPTIONS[reason];
    this.challenge = unverifiable
      ? null
      : `Bearer error="invalid_token", error_description="${this.description}"`;
  }
}

export const REFUSALS = Object.freeze(
  Object.fromEntries(REFUSAL_REASONS.map((reason) => [reason, Object.freeze(new TokenRefusal(reason))])),
) as Readonly<Record<RefusalReason, TokenRefusal>>;

/** What an error of jose comes to. */
export function refusalOf(error: unknown): TokenRefusal {
  return REFUSALS[reasonOf(error)];
}

function reasonOf(error: unknown): RefusalReason {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'unknown_key';
  if (!(error instanceof errors.JWTClaimValidationFailed)) return 'malformed';
  if (error.claim === 'aud' && error.reason === 'check_failed') return 'audience';
  return error.claim === 'nbf' && error.reason === 'check_failed' ? 'not_yet_valid' : 'claims';
}
