/**
 * Bounds how many checks are under way in a sidecar, whatever the number of endpoints. Who waits longest is next.
 */
import { LIMITS } from '../../core/limits.ts';

export class CheckSlots {
  private taken = 0;
  /** One for each endpoint at most. */
  private readonly waiting = new Set<() => void>();

  /** Calls `begin` now or when a slot is free; `give` has to follow. */
  take(begin: () => void): void {
    if (this.taken >= LIMITS.healthChecks) {
      this.waiting.add(begin);
      return;
    }
    this.taken++;
    begin();
  }

  give(): void {
    this.taken--;
    for (const begin of this.waiting) {
      this.waiting.delete(begin);
      this.take(begin);
      return;
    }
  }

  withdraw(begin: () => void): void {
    this.waiting.delete(begin);
  }
}
