/** How many more may be kept in this second: when a service is down, everything fails. */
export class Budget {
  private readonly perSecond: number;
  private sinceMs = Number.NEGATIVE_INFINITY;
  private left = 0;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  take(nowMs: number): boolean {
    if (nowMs - this.sinceMs >= 1_000) {
      this.sinceMs = nowMs;
      this.left = this.perSecond;
    }
    if (this.left === 0) return false;
    this.left--;
    return true;
  }
}
