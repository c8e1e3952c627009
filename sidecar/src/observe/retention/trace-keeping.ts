/** Where the spans of all requests lie, and what decides which of them are exported. */
import type { TracesConfig } from '../../config/schema.ts';
import { SpanRing } from '../spans.ts';
import { Retention, type RetentionDeps } from './retention.ts';

export interface TraceKeeping {
  readonly ring: SpanRing;
  readonly retention: Retention;
}

export function keepTraces(
  { ringSpans, slowShare }: Pick<TracesConfig, 'ringSpans' | 'slowShare'>,
  deps: RetentionDeps,
): TraceKeeping {
  const ring = new SpanRing(ringSpans);
  return { ring, retention: new Retention({ slowShare }, ring, deps) };
}
