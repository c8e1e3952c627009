/**
 * A text that must not be seen: what logs, errors, JSON and a debugger's inspection show of it is `[secret]`.
 *
 * Invariant: the text leaves by `reveal` alone, so a search for that word finds every place that has it in the clear.
 */
import { inspect } from 'node:util';

const REDACTED = '[secret]';

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  equals(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
