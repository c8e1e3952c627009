/**
 * Who gets no certificate any more, and is not let in by anybody with the one that they have: workloads by SPIFFE id until that is taken back, single certificates
 * by serial number until they must have ended.
 *
 * Invariants: an entry is on disk before it counts as made. Entries are bounded, as every sidecar has them all. A damaged file is an error and never an
 * empty list.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../../sidecar/src/durable-file.ts';
import {
  type DenyList,
  isDenied,
  MAX_DENIED,
  MAX_DENIED_ID_CHARS,
} from '../../sidecar/src/identity/deny-list.ts';
import { parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';
import { LIMITS } from './limits.ts';

/** Exactly one of the two. */
export type Denied = { readonly spiffeId: string } | { readonly serialNumber: string };

export class DenialRefused extends Error {}

const FILE = 'denied.json';

export class Denials {
  readonly #path: string;
  readonly #trustDomain: string;
  readonly #nowMs: () => number;
  #entries: readonly Entry[];
  #lastChange: Promise<void> = Promise.resolve();

  static async open(stateDir: string, trustDomain: string, nowMs: () => number = Date.now): Promise<Denials> {
    const path = join(stateDir, FILE);
    return new Denials(path, trustDomain, nowMs, await readEntries(path));
  }

  private constructor(path: string, trustDomain: string, nowMs: () => number, entries: readonly Entry[]) {
    this.#path = path;
    this.#trustDomain = trustDomain;
    this.#nowMs = nowMs;
    this.#entries = entries;
  }

  get list(): DenyList {
    const entries = this.#valid();
    return {
      spiffeIds: new Set(entries.flatMap((entry) => ('spiffeId' in entry ? [entry.spiffeId] : []))),
      serialNumbers: new Set(
        entries.flatMap((entry) => ('serialNumber' in entry ? [entry.serialNumber] : [])),
      ),
    };
  }

  /** `serialNumber` in any case; empty when there is no certificate yet. */
  has(spiffeId: string, serialNumber = ''): boolean {
    return isDenied(this.list, spiffeId, serialNumber);
  }

  /** Whether that is new. Throws `DenialRefused`. */
  deny(denied: Denied): Promise<boolean> {
    return this.#change(async () => {
      const entry = this.#toEntry(denied);
      const entries = this.#valid();
      if (entries.some((other) => nameOf(other) === nameOf(entry))) return false;
      if (entries.length >= MAX_DENIED)
        throw new DenialRefused(`${MAX_DENIED} are denied already: take some back, or rotate the root`);
      await this.#save([...entries, entry]);
      return true;
    });
  }

  /** Whether it was denied. */
  allow(denied: Denied): Promise<boolean> {
    return this.#change(async () => {
      const name = nameOf(this.#toEntry(denied));
      const entries = this.#valid();
      const left = entries.filter((entry) => nameOf(entry) !== name);
      if (left.length === entries.length) return false;
      await this.#save(left);
      return true;
    });
  }

  #valid(): readonly Entry[] {
    const nowMs = this.#nowMs();
    return this.#entries.filter((entry) => !('untilMs' in entry) || entry.untilMs > nowMs);
  }

  #toEntry(denied: Denied): Entry {
    if ('spiffeId' in denied) {
      const { spiffeId } = denied;
      const isOwn = parseWorkloadId(spiffeId)?.trustDomain === this.#trustDomain;
      if (isOwn && spiffeId.length <= MAX_DENIED_ID_CHARS) return denied;
      throw new DenialRefused(
        `a SPIFFE id is spiffe://${this.#trustDomain}/ns/<namespace>/sa/<service account>`,
      );
    }
    const serialNumber = denied.serialNumber.toLowerCase();
    if (!SERIAL_NUMBER.test(serialNumber))
      throw new DenialRefused('a serial number is 1 to 40 hexadecimal digits');
    return { serialNumber, untilMs: this.#nowMs() + LIMITS.deniedSerialMs };
  }

  async #save(entries: readonly Entry[]): Promise<void> {
    await replaceFile(this.#path, `${JSON.stringify(entries, null, 2)}\n`);
    this.#entries = entries;
  }

  #change(make: () => Promise<boolean>): Promise<boolean> {
    const made = this.#lastChange.then(make);
    this.#lastChange = made.then(
      () => {},
      () => {},
    );
    return made;
  }
}

const SERIAL_NUMBER = /^[0-9a-f]{1,40}$/;

type Entry = z.infer<typeof entry>;

const entry = z.union([
  z.strictObject({ spiffeId: z.string() }),
  z.strictObject({ serialNumber: z.string().regex(SERIAL_NUMBER), untilMs: z.number() }),
]);

function nameOf(entry: Entry): string {
  return 'spiffeId' in entry ? entry.spiffeId : entry.serialNumber;
}

async function readEntries(path: string): Promise<readonly Entry[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    return z.array(entry).max(MAX_DENIED).parse(JSON.parse(text));
  } catch {
    throw new Error(
      `${path}: is damaged; mend it, or restore it from a backup: it says who must not be let in`,
    );
  }
}
