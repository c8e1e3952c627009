/**
 * Asks the endpoints of a group in turn whether they are well.
 *
 * Invariants
 * - An endpoint is asked by one check at a time, and never more often than the policy says, across config reloads too.
 * - No more checks than `LIMITS.healthChecks` are under way in a sidecar; the others wait for their turn.
 * - A stopped checker changes nothing more.
 */
import type { Timer } from '../../core/clock.ts';
import type { TransportContext } from '../../transport/transport.ts';
import type { EndpointGroup } from '../endpoint-group.ts';
import type { EndpointRecord } from '../endpoint-record.ts';
import type { CheckSlots } from './check-slots.ts';
import type { HealthCheckSpec } from './config.ts';

/** Begins a check, which calls `done` once with what is wrong, or with nothing, unless it is aborted. */
export type Check = (done: (problem: string) => void) => CheckInProgress;

export interface CheckInProgress {
  abort(): void;
}

export interface CheckerDeps {
  readonly context: TransportContext;
  readonly slots: CheckSlots;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export class HealthChecker {
  private readonly group: EndpointGroup;
  private readonly schedules: readonly Schedule[];

  constructor(
    group: EndpointGroup,
    spec: HealthCheckSpec,
    checks: ReadonlyMap<EndpointRecord, Check>,
    deps: CheckerDeps,
  ) {
    this.group = group;
    const { context } = deps;
    const report = (record: EndpointRecord, problem: string): void => {
      if (record.health.note(problem, spec)) this.group.onHealthChange(record, context.nowMs);
    };
    this.schedules = Array.from(
      checks,
      ([record, check]) => new Schedule(record, check, spec, deps, (problem) => report(record, problem)),
    );
  }

  start(): void {
    for (const schedule of this.schedules) schedule.start();
  }

  stop(): void {
    // First none of them may begin any more: each check that is aborted makes room for one that waits.
    for (const schedule of this.schedules) schedule.stop();
    for (const schedule of this.schedules) schedule.abort();
  }
}

/** The checks of one endpoint. */
class Schedule {
  private readonly record: EndpointRecord;
  private readonly check: Check;
  private readonly spec: HealthCheckSpec;
  private readonly deps: CheckerDeps;
  private readonly report: (problem: string) => void;
  private timer: Timer | null = null;
  private running: CheckInProgress | null = null;
  private stopped = false;
  private readonly begin = (): void => this.run();

  constructor(
    record: EndpointRecord,
    check: Check,
    spec: HealthCheckSpec,
    deps: CheckerDeps,
    report: (problem: string) => void,
  ) {
    this.record = record;
    this.check = check;
    this.spec = spec;
    this.deps = deps;
    this.report = report;
  }

  start(): void {
    const { context, random } = this.deps;
    const { health } = this.record;
    // Not all endpoints of all services at once.
    if (health.nextMs === 0)
      health.nextMs = context.clock.monotonicMs() + random() * this.spec.jitter * this.spec.intervalMs;
    this.scheduleNext();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.deps.slots.withdraw(this.begin);
  }

  abort(): void {
    const { running } = this;
    this.running = null;
    running?.abort();
  }

  private scheduleNext(): void {
    const { context, slots } = this.deps;
    const delayMs = Math.max(0, this.record.health.nextMs - context.clock.monotonicMs());
    this.timer = context.after(delayMs, () => slots.take(this.begin));
  }

  private run(): void {
    const { context, slots, random } = this.deps;
    const { intervalMs, jitter } = this.spec;
    this.record.health.nextMs = context.nowMs + intervalMs * (1 + jitter * random());
    let over = false;
    const running = this.check((problem) => {
      over = true;
      this.running = null;
      slots.give();
      if (this.stopped) return;
      this.report(problem);
      this.scheduleNext();
    });
    if (!over) this.running = running;
  }
}
