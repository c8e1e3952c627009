/**
 * Strings as small integers, for records that hold numbers only.
 *
 * Invariants: index 0 is the empty string; at most `limit` strings are told apart, every further one reads `other`.
 */
const OTHER = 1;

export class StringTable {
  private readonly limit: number;
  private readonly indexes = new Map<string, number>([['', 0]]);
  private readonly strings: string[] = ['', 'other'];

  constructor(limit: number) {
    this.limit = limit;
  }

  indexOf(text: string): number {
    return this.indexes.get(text) ?? this.intern(text);
  }

  textOf(index: number): string {
    return this.strings[index] as string;
  }

  private intern(text: string): number {
    if (this.strings.length === this.limit) return OTHER;
    const index = this.strings.push(text) - 1;
    this.indexes.set(text, index);
    return index;
  }
}
