/**
 * The worker's client of the webhook dispatcher.
 *
 * Invariant: a refusal that would be repeated (4xx) is permanent, everything else is worth another attempt of the run.
 */
import { type DeliveryRequest, deliveryView, type RunView } from '../lib/contracts.ts';
import { PermanentFailure, RetryableFailure } from '../lib/job-worker.ts';
import { describeResponse, type Outbound } from '../lib/outbound.ts';
import { parseRetryAfterMs } from '../lib/retry.ts';

export interface Dispatcher {
  url: string;
  timeoutMs: number;
}

type DeliveryState = RunView['deliveries'][number];

const MAY_PASS = new Set([408, 425, 429]);

export async function sendDelivery(
  outbound: Outbound,
  dispatcher: Dispatcher,
  delivery: DeliveryRequest,
): Promise<void> {
  const response = await outbound.request({
    method: 'POST',
    url: new URL('/v1/deliveries', dispatcher.url).href,
    route: '/v1/deliveries',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(delivery),
    timeoutMs: dispatcher.timeoutMs,
  });
  if (response.status === 202) return;
  const reason = `webhook-dispatcher ${describeResponse(response)}`;
  if (response.status >= 400 && response.status < 500 && !MAY_PASS.has(response.status)) {
    throw new PermanentFailure(reason);
  }
  const retryAfter = response.headers['retry-after'];
  throw new RetryableFailure(reason, parseRetryAfterMs(String(retryAfter ?? ''), Date.now()));
}

/** The state of a delivery as far as it can be learnt now: a run can be read while the dispatcher is away. */
export async function readDelivery(
  outbound: Outbound,
  dispatcher: Dispatcher,
  deliveryId: string,
): Promise<DeliveryState> {
  const unknown = (reason: string): DeliveryState => ({ deliveryId, state: 'unknown', reason });
  try {
    const response = await outbound.request({
      method: 'GET',
      url: new URL(`/v1/deliveries/${deliveryId}`, dispatcher.url).href,
      route: '/v1/deliveries/{deliveryId}',
      timeoutMs: dispatcher.timeoutMs,
    });
    if (response.status !== 200) return unknown(`webhook-dispatcher ${describeResponse(response)}`);
    const { state, attempts, reason } = deliveryView.parse(JSON.parse(response.body));
    return reason === undefined ? { deliveryId, state, attempts } : { deliveryId, state, attempts, reason };
  } catch (error) {
    return unknown((error as Error).message);
  }
}
