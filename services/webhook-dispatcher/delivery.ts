/**
 * One attempt to deliver one webhook: sign, send, judge the answer.
 *
 * Invariants: every attempt sends the same id and the same bytes, with a fresh timestamp and signature; 2xx alone is success; 410 means
 * that the receiver wants no more of it, everything else may pass.
 */
import type { DeliveryWork } from '../lib/contracts.ts';
import { type AcceptedJob, PermanentFailure, RetryableFailure } from '../lib/job-worker.ts';
import { describeResponse, type Outbound } from '../lib/outbound.ts';
import { parseRetryAfterMs } from '../lib/retry.ts';
import { signWebhook } from '../lib/webhook-signature.ts';
import type { SigningSecrets } from './signing-secrets.ts';

const GONE = 410;

export async function attemptDelivery(
  send: Outbound['request'],
  secrets: SigningSecrets,
  job: AcceptedJob<DeliveryWork>,
  timeoutMs: number,
): Promise<{ status: number }> {
  const { url, body } = job.work;
  const keys = secrets.get(job.tenant);
  if (!keys) throw new PermanentFailure(`the tenant ${job.tenant} has no signing secret`);
  const response = await send({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...signWebhook(keys, job.id, body, Date.now()) },
    body,
    timeoutMs,
    resendCount: job.attempt - 1,
  });
  const { status } = response;
  if (status >= 200 && status < 300) return { status };
  const reason = `${new URL(url).host} ${describeResponse(response)}`;
  if (status === GONE) throw new PermanentFailure(reason);
  const retryAfter = response.headers['retry-after'];
  throw new RetryableFailure(reason, parseRetryAfterMs(String(retryAfter ?? ''), Date.now()));
}
