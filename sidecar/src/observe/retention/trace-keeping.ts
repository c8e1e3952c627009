/** Where the spans of all requests lie, and what decides which of them are exported. */
import type { TracesConfig } from '../../config/schema.ts';
import { AppSpans } from '../intake/app-spans.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import { SpanRing } from '../spans.ts';
import { Retention, type RetentionDeps } from './retention.ts';

export interface TraceKeeping {
  readonly ring: SpanRing;
  readonly retention: Retention;
  /** The service's own spans; null where it keeps them to itself. */
  readonly appSpans: AppSpans | null;
}

export function keepTraces(
  { ringSpans, slowShare, intake }: Pick<TracesConfig, 'ringSpans' | 'slowShare' | 'intake'>,
  deps: RetentionDeps,
): TraceKeeping {
  const ring = new SpanRing(ringSpans);
  const appSpans = intake === null ? null : new AppSpans(OBSERVE_LIMITS.appSpansBytes);
  const spans = appSpans === null ? [ring] : [ring, appSpans];
  return { ring, appSpans, retention: new Retention({ slowShare }, spans, deps) };
}
