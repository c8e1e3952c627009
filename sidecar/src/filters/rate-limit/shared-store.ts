/**
 * Asks a shared store for decisions, and settles every question in time.
 *
 * Invariants
 * - A question is settled exactly once: by its answer, or as failed when its deadline passes or the connection is lost. Answers that come later are
 *   dropped.
 * - A question that is not taken costs no time: the store is known to be away, or too many questions wait for it.
 * - All questions have the same deadline, so they come due in the order in which they were asked, and one timer does for all.
 */
import type { Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { StoreSpec } from './config.ts';
import type { Window } from './gcra.ts';
import type { StoreFailure, StoreSeries } from './metrics.ts';
import { type ConnectionDeps, RedisConnection } from './redis-connection.ts';
import { storeKeys } from './redis-script.ts';

/** One key of one limit, and what it costs. */
export interface Question {
  readonly id: string;
  readonly key: string;
  readonly cost: number;
  readonly windows: readonly Window[];
  /** `waitUs`: how long until the cost would be admitted, 0 when it was; `debtsUs` by window. */
  onAnswer(waitUs: number, debtsUs: readonly number[], askedUs: number): void;
  onFailure(nowUs: number): void;
}

interface Pending {
  readonly question: Question;
  readonly askedMs: number;
  settled: boolean;
}

export class SharedStore {
  private readonly spec: StoreSpec;
  private readonly deps: ConnectionDeps;
  private readonly series: StoreSeries;
  private readonly connection: RedisConnection;
  /** In the order in which they were asked. */
  private pending: Pending[] = [];
  private unsettled = 0;
  private timer: Timer | null = null;

  constructor(spec: StoreSpec, series: StoreSeries, deps: ConnectionDeps) {
    this.spec = spec;
    this.deps = deps;
    this.series = series;
    this.connection = new RedisConnection(spec, deps, (up) => this.onUp(up));
  }

  /** False when the question is not taken; then nothing follows. */
  ask(question: Question): boolean {
    if (!this.connection.isUp) return this.refuse('disconnected');
    if (this.unsettled >= LIMITS.rateLimitPending) return this.refuse('overflow');
    const pending: Pending = { question, askedMs: this.deps.clock.monotonicMs(), settled: false };
    this.unsettled++;
    this.pending.push(pending);
    if (this.timer === null) this.awaitDeadline(this.spec.deadlineMs);
    void this.send(pending);
    return true;
  }

  /** What waits is settled first, if it has answers in time. */
  close(): void {
    if (this.unsettled === 0) this.connection.close();
    else this.deps.clock.setTimer(() => this.connection.close(), this.spec.deadlineMs);
  }

  private refuse(reason: StoreFailure): false {
    this.series.failures[reason]++;
    return false;
  }

  private async send(pending: Pending): Promise<void> {
    const { id, key, cost, windows } = pending.question;
    const args = [cost];
    for (const { intervalUs, toleranceUs } of windows) args.push(intervalUs, toleranceUs);
    let answer: number[];
    try {
      answer = await this.connection.ask(storeKeys(this.spec.keyPrefix, id, key, windows), args);
    } catch {
      // A store that answers with an error is there; the next question may be luckier.
      if (this.settle(pending)) this.fail(pending, this.connection.isUp ? 'refused' : 'disconnected');
      return;
    }
    this.connection.onAnswered();
    if (!this.settle(pending)) return;
    this.series.duration.observe(this.deps.clock.monotonicMs() - pending.askedMs);
    pending.question.onAnswer(answer[0] as number, answer.slice(1), Math.floor(pending.askedMs * 1_000));
  }

  private settle(pending: Pending): boolean {
    if (pending.settled) return false;
    pending.settled = true;
    this.unsettled--;
    return true;
  }

  private fail({ question }: Pending, reason: StoreFailure): void {
    this.series.failures[reason]++;
    question.onFailure(Math.floor(this.deps.clock.monotonicMs() * 1_000));
  }

  private onUp(up: boolean): void {
    this.series.up = up;
    if (up) return;
    // Their answers can't come any more.
    for (const pending of this.pending.splice(0))
      if (this.settle(pending)) this.fail(pending, 'disconnected');
  }

  private awaitDeadline(delayMs: number): void {
    this.timer = this.deps.clock.setTimer(() => this.onDeadline(), delayMs);
  }

  private onDeadline(): void {
    this.timer = null;
    const { deadlineMs } = this.spec;
    const nowMs = this.deps.clock.monotonicMs();
    const isOver = ({ askedMs, settled }: Pending) => settled || askedMs + deadlineMs <= nowMs;
    const firstLeft = this.pending.findIndex((pending) => !isOver(pending));
    const over = this.pending.splice(0, firstLeft === -1 ? this.pending.length : firstLeft);
    for (const pending of over) {
      if (!this.settle(pending)) continue;
      this.fail(pending, 'deadline');
      this.connection.onUnanswered();
    }
    const first = this.pending[0];
    if (first !== undefined && this.timer === null) this.awaitDeadline(first.askedMs + deadlineMs - nowMs);
  }
}
