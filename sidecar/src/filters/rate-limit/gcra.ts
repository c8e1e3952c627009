/**
 * The generic cell rate algorithm in whole microseconds: a window is known by the theoretical arrival time (TAT) of its next unit.
 *
 * Invariants
 * - In any span of time `t` a window admits at most `t / intervalUs + burst` units, whatever the order and cost of requests. The interval is
 *   rounded up, so that this is never more than `quota` in `windowSeconds`, and `burst` at once.
 * - The Lua script of redis-script.ts does the same arithmetic in the same numbers, so that both decide alike.
 */

export interface WindowSpec {
  readonly quota: number;
  readonly windowSeconds: number;
  /** Units that may come at once. */
  readonly burst: number;
}

export interface Window extends WindowSpec {
  /** What one unit moves the TAT by. */
  readonly intervalUs: number;
  /** How far the TAT may be ahead of time. */
  readonly toleranceUs: number;
}

export function compileWindow({ quota, windowSeconds, burst }: WindowSpec): Window {
  const intervalUs = Math.ceil((windowSeconds * 1e6) / quota);
  return Object.freeze({ quota, windowSeconds, burst, intervalUs, toleranceUs: intervalUs * burst });
}

/** How far ahead of time a TAT is; never more than the tolerance, which only a clock that was set back or a smaller limit can lead to. */
export function debtUs(window: Window, tatUs: number, nowUs: number): number {
  return Math.min(Math.max(tatUs - nowUs, 0), window.toleranceUs);
}

/** How long it takes until `cost` units are admitted; at most 0 when they are at once. */
export function waitUs(window: Window, debt: number, cost: number): number {
  return debt + cost * window.intervalUs - window.toleranceUs;
}

/** Units that would be admitted at once. */
export function remainingUnits(window: Window, debt: number): number {
  return Math.floor((window.toleranceUs - debt) / window.intervalUs);
}
