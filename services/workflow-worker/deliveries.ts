/**
 * The worker's client of the webhook dispatcher.
 */
import { type DeliveryRequest, deliveryView, type RunView } from '../lib/contracts.ts';
import { describeResponse, type Outbound } from '../lib/outbound.ts';
import { failureOf } from './refusal.ts';

export interface Dispatcher {
  url: string;
  timeoutMs: number;
}

type DeliveryState = RunView['deliveries'][number];

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
  throw failureOf('webhook-dispatcher', response);
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
