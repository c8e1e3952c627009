import { setTimeout as sleep } from 'node:timers/promises';
// Drives requests through the shop while few of them fail or are slow, and tells what of them is in a real collector afterwards.
import { type CollectedSpan, startCollector } from '../parts/collector.ts';
import { Shop, spansOf, TROUBLES } from './shop.ts';

export interface RetentionOptions {
  requests: number;
  failedShare: number;
  slowShare: number;
  headSampleRatio: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

export interface RetentionResult {
  failed: Kept;
  slow: Kept;
  /** Of the requests without trouble. */
  others: Kept;
  /** Of all spans that there were. */
  exportedShare: number;
  seconds: number;
}

export interface Kept {
  traces: number;
  /** With the span of every hop. */
  complete: number;
}

type Kind = 'failed' | 'slow' | 'others';

interface Plan {
  readonly kind: Kind;
  readonly trouble: string;
}

interface Sent extends Plan {
  readonly traceId: string;
}

const CALM: Plan = { kind: 'others', trouble: '' };

const AT_ONCE = 24;
/** Until the last kept traces have been told and exported. */
const SETTLE_MS = 2_000;
/** So that it is known what is slow before anything is. */
const WARM_UP = 1_500;

export async function measureRetention(options: RetentionOptions): Promise<RetentionResult> {
  const { requests, headSampleRatio } = options;
  const collector = await startCollector();
  try {
    const shop = await Shop.open({ collectorPort: collector.port, headSampleRatio });
    const startedMs = performance.now();
    const sent: Sent[] = [];
    try {
      sent.push(
        ...(await drive(shop, WARM_UP, () => CALM)),
        ...(await drive(shop, requests, () => pick(options))),
      );
      await sleep(SETTLE_MS);
    } finally {
      await shop.close();
    }
    const seconds = (performance.now() - startedMs) / 1_000;
    return { ...judge(sent, await collector.spans()), seconds };
  } finally {
    await collector.stop();
  }
}

/** How a request will end, and by which trouble. */
function pick({ failedShare, slowShare, random }: RetentionOptions): Plan {
  const place = random();
  const kind = place < failedShare ? 'failed' : place < failedShare + slowShare ? 'slow' : 'others';
  if (kind === 'others') return CALM;
  const troubles = TROUBLES[kind];
  return { kind, trouble: troubles[Math.floor(random() * troubles.length)] as string };
}

async function drive(shop: Shop, count: number, plan: () => Plan): Promise<Sent[]> {
  const sent: Sent[] = [];
  let left = count;
  const caller = async () => {
    while (left-- > 0) {
      const traceId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex');
      const next = plan();
      sent.push({ ...next, traceId });
      await shop.request(traceId, next.trouble);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return sent;
}

function judge(sent: Sent[], spans: CollectedSpan[]): Omit<RetentionResult, 'seconds'> {
  const counts = new Map<string, number>();
  for (const { traceId } of spans) counts.set(traceId, (counts.get(traceId) ?? 0) + 1);
  const result = { failed: noneYet(), slow: noneYet(), others: noneYet() };
  let expected = 0;
  for (const { kind, trouble, traceId } of sent) {
    expected += spansOf(trouble);
    result[kind].traces++;
    if ((counts.get(traceId) ?? 0) >= spansOf(trouble)) result[kind].complete++;
  }
  return { ...result, exportedShare: spans.length / expected };
}

function noneYet(): Kept {
  return { traces: 0, complete: 0 };
}
