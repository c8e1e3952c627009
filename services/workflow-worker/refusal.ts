/**
 * What another service's refusal means for a run.
 *
 * Invariant: a refusal that would be repeated (4xx) is permanent, everything else is worth another attempt of the run.
 */
import { PermanentFailure, RetryableFailure } from '../lib/job-worker.ts';
import { describeResponse, type OutboundResponse } from '../lib/outbound.ts';
import { parseRetryAfterMs } from '../lib/retry.ts';

const MAY_PASS = new Set([408, 425, 429]);

export function failureOf(service: string, response: OutboundResponse): Error {
  const { status, headers } = response;
  const reason = `${service} ${describeResponse(response)}`;
  if (status >= 400 && status < 500 && !MAY_PASS.has(status)) return new PermanentFailure(reason);
  return new RetryableFailure(reason, parseRetryAfterMs(String(headers['retry-after'] ?? ''), Date.now()));
}
