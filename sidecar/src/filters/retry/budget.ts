/**
 * Bounds how much a service's load may grow by retries: in any window, no more of them than a share of the requests, plus a few for services
 * that are hardly called. When everything fails, callers add that share to the load and not a multiple of it.
 *
 * Invariants: after `withdraw` has said yes, retries in the window <= share x requests in the window + minPerSecond x window. The window moves in
 * steps of a second, so the bound holds for every ten steps.
 *
 * Source: Google SRE book, chapter 22 (retry budgets of clients).
 */
const WINDOW_SECONDS = 10;
const SECOND_MS = 1_000;

export class RetryBudget {
  private readonly share: number;
  private readonly minimum: number;
  private readonly requests = new Int32Array(WINDOW_SECONDS);
  private readonly retries = new Int32Array(WINDOW_SECONDS);
  private requestSum = 0;
  private retrySum = 0;
  /** The second that the window ends with. */
  private second = 0;

  /** `share` is retries per request, between 0 and 1; `minPerSecond` retries are always allowed. */
  constructor(share: number, minPerSecond: number) {
    this.share = share;
    this.minimum = minPerSecond * WINDOW_SECONDS;
  }

  /** A request was made. */
  deposit(nowMs: number): void {
    this.move(nowMs);
    const at = this.second % WINDOW_SECONDS;
    this.requests[at] = (this.requests[at] as number) + 1;
    this.requestSum++;
  }

  /** Whether it may be retried; a yes counts as the retry. */
  withdraw(nowMs: number): boolean {
    this.move(nowMs);
    if (this.retrySum + 1 > this.share * this.requestSum + this.minimum) return false;
    const at = this.second % WINDOW_SECONDS;
    this.retries[at] = (this.retries[at] as number) + 1;
    this.retrySum++;
    return true;
  }

  private move(nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS);
    const steps = Math.min(second - this.second, WINDOW_SECONDS);
    for (let i = 1; i <= steps; i++) {
      // Clears what is older than the window; with more steps than that, all of it.
      const at = (this.second + i) % WINDOW_SECONDS;
      this.requestSum -= this.requests[at] as number;
      this.retrySum -= this.retries[at] as number;
      this.requests[at] = 0;
      this.retries[at] = 0;
    }
    if (second > this.second) this.second = second;
  }
}
