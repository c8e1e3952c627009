/**
 * The windows over which the burning of an error budget is looked at, as windows.yaml has them.
 */
import { z } from 'zod';
import { text } from '../../sidecar/src/config/values.ts';

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

export const duration = text(
  (value) => (/^(\d+(ms|s|m|h|d|w))+$/.test(value) ? null : 'must be a duration'),
  'write it as Prometheus does, like 90s, 5m, 1h30m or 3d',
);

const burnWindow = z
  .strictObject({ factor: z.number().positive(), long: duration, short: duration })
  .superRefine(({ long, short }, context) => {
    if (secondsOf(short) < secondsOf(long)) return;
    context.addIssue({ code: 'custom', path: ['short'], message: 'must be shorter than `long`' });
  });

const burnAlert = z.strictObject({ for: duration, windows: z.array(burnWindow).min(1).max(4) });

export const windowsFile = z.strictObject({ period: duration, page: burnAlert, ticket: burnAlert });

export type Windows = z.output<typeof windowsFile>;
export type BurnAlert = z.output<typeof burnAlert>;

/** Every window that an alert looks at, the shortest first. */
export function windowsOf({ page, ticket }: Windows): string[] {
  const all = [...page.windows, ...ticket.windows].flatMap(({ long, short }) => [short, long]);
  return [...new Set(all)].sort((a, b) => secondsOf(a) - secondsOf(b));
}

export function secondsOf(window: string): number {
  let seconds = 0;
  for (const [, count, unit] of window.matchAll(/(\d+)(ms|[smhdw])/g))
    seconds += Number(count) * SECONDS[unit as keyof typeof SECONDS];
  return seconds;
}
