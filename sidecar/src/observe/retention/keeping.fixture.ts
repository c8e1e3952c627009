import { systemClock } from '../../core/clock.ts';
import { keepTraces, type TraceKeeping } from './trace-keeping.ts';

/** For tests of single parts: what keeps so many spans, and nothing for being slow. */
export function keepingOf(ringSpans: number): TraceKeeping {
  const random = () => Math.floor(Math.random() * 0x1_0000_0000) | 0;
  return keepTraces({ ringSpans, slowShare: 0, intake: null }, { clock: systemClock, random });
}
