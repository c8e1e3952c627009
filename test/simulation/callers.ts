// Where requests come from: callers that each wait for an answer before they go on, or requests that come whatever becomes of those before.
import type { Ledger } from './ledger.ts';
import type { World } from './world.ts';

export interface Habit {
  readonly patienceMs: number;
  /** A request that failed is made again until it succeeds, as by applications that know no better, after this time; null for never. */
  readonly againAfterMs: number | null;
}

/** `perSecond` requests, at random times. */
export function arrive(
  world: World,
  service: string,
  perSecond: () => number,
  habit: Habit,
  ledger: Ledger,
): void {
  const next = (): void => {
    world.after((-Math.log(1 - world.random()) / perSecond()) * 1_000, () => {
      call(world, service, habit, ledger, () => {});
      next();
    });
  };
  next();
}

/** So many callers, of which each does one thing after another. `choose` says what. */
export function work(
  world: World,
  count: number,
  thinkMs: number,
  habit: Habit,
  choose: () => { readonly service: string; readonly ledger: Ledger },
): void {
  const goOn = (): void => {
    world.after(thinkMs * 2 * world.random(), () => {
      const { service, ledger } = choose();
      call(world, service, habit, ledger, goOn);
    });
  };
  for (let i = 0; i < count; i++) goOn();
}

function call(world: World, service: string, habit: Habit, ledger: Ledger, then: () => void): void {
  const { patienceMs, againAfterMs } = habit;
  world.ask(service, patienceMs, ({ succeeded, latencyMs }) => {
    ledger.note(world.nowMs, succeeded, latencyMs);
    if (succeeded || againAfterMs === null) then();
    else world.after(againAfterMs, () => call(world, service, habit, ledger, then));
  });
}
