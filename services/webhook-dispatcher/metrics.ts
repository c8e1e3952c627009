/** What is counted of webhooks. What their queue counts, such as dead letters and retries, is not counted twice. */
import { counter, histogram } from '../../sidecar/src/observe/metric.ts';
import type { ServiceMetrics } from '../lib/metrics.ts';
import type { OutboundError, OutboundFailure, OutboundResponse } from '../lib/outbound.ts';

/** Up to the hours that retries take. */
const DELIVERY_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_000];

export const WEBHOOK_ATTEMPTS = counter(
  'tulle_webhook_attempts_total',
  'Webhooks that were sent, by what the target made of it: `delivered`, its answer, or why there was none.',
  ['outcome'],
);
export const WEBHOOK_ATTEMPT_DURATION = histogram(
  'tulle_webhook_attempt_duration_seconds',
  'How long a target took to answer, or to be given up.',
  ['outcome'],
);
export const WEBHOOK_DELIVERIES = counter(
  'tulle_webhook_deliveries_total',
  'Deliveries that came to their end: `delivered`, or `dead` for good.',
  ['outcome'],
);
export const WEBHOOK_DELIVERY_DURATION = histogram(
  'tulle_webhook_delivery_duration_seconds',
  'From the acceptance of a delivery to its success, with all that was waited and tried in between.',
  [],
  DELIVERY_SECONDS,
);

type Outcome = 'delivered' | 'answered_3xx' | 'answered_4xx' | 'answered_5xx' | OutboundFailure;

const OUTCOMES: readonly Outcome[] = [
  ...(['delivered', 'answered_3xx', 'answered_4xx', 'answered_5xx'] as const),
  ...(['timeout', 'unreachable', 'overloaded'] as const),
];

export class WebhookMetrics {
  readonly onEnd: (isDelivered: boolean, sinceAcceptedMs: number) => void;
  private readonly onAttempt: (outcome: Outcome, seconds: number) => void;

  constructor(metrics: ServiceMetrics) {
    const attempts = metrics.counter(WEBHOOK_ATTEMPTS);
    const duration = metrics.histogram(WEBHOOK_ATTEMPT_DURATION);
    const deliveries = metrics.counter(WEBHOOK_DELIVERIES);
    const whole = metrics.histogram(WEBHOOK_DELIVERY_DURATION);
    for (const outcome of OUTCOMES) attempts.inc({ outcome }, 0);
    for (const outcome of ['delivered', 'dead']) deliveries.inc({ outcome }, 0);
    this.onAttempt = (outcome, seconds) => {
      attempts.inc({ outcome });
      duration.observe({ outcome }, seconds);
    };
    this.onEnd = (isDelivered, sinceAcceptedMs) => {
      deliveries.inc({ outcome: isDelivered ? 'delivered' : 'dead' });
      if (isDelivered) whole.observe(sinceAcceptedMs / 1_000);
    };
  }

  async attempt(send: () => Promise<OutboundResponse>): Promise<OutboundResponse> {
    const startedAt = performance.now();
    const seconds = () => (performance.now() - startedAt) / 1_000;
    try {
      const response = await send();
      this.onAttempt(outcomeOf(response.status), seconds());
      return response;
    } catch (error) {
      this.onAttempt((error as OutboundError).code, seconds());
      throw error;
    }
  }
}

function outcomeOf(status: number): Outcome {
  if (status < 300) return 'delivered';
  if (status < 400) return 'answered_3xx';
  return status < 500 ? 'answered_4xx' : 'answered_5xx';
}
