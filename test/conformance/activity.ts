// Lets a test wait for something on a socket without polling and without naming a time it should take: whoever changes state calls
// `notify`, whoever waits re-checks a condition. The limit only bounds how long a failing case holds up the rest.

const WAIT_LIMIT_MS = 5_000;

export class Activity {
  readonly #limitMs: number;
  readonly #waiting = new Set<() => void>();

  constructor(limitMs = WAIT_LIMIT_MS) {
    this.#limitMs = limitMs;
  }

  notify(): void {
    for (const check of [...this.#waiting]) check();
  }

  /** False when the condition did not come true within the limit. */
  until(condition: () => boolean, limitMs = this.#limitMs): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (came: boolean) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(came);
      };
      const check = () => condition() && finish(true);
      const timer = setTimeout(() => finish(false), limitMs);
      this.#waiting.add(check);
    });
  }
}
