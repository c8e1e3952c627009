import { seededRandom } from '../seeded-random.ts';
import {
  CODE,
  COMPANIES,
  FIRST_NAMES,
  LAST_NAMES,
  PRODUCTS,
  SENTENCES,
  STREETS,
  TITLES,
  TOWNS,
} from './words.ts';

/** Draws from a seed what a field may hold. */
export class Draw {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  name(): string {
    return `${this.of(FIRST_NAMES)} ${this.of(LAST_NAMES)}`;
  }

  email(): string {
    return `${this.of(FIRST_NAMES)}.${this.of(LAST_NAMES)}${this.below(90)}@example.com`
      .toLowerCase()
      .replace(/[ ']/g, '');
  }

  hex(length: number): string {
    return Array.from({ length }, () => this.below(16).toString(16)).join('');
  }

  uuid(): string {
    return [8, 4, 4, 4, 12].map((length) => this.hex(length)).join('-');
  }

  base64(bytes: number): string {
    return Buffer.from(Array.from({ length: bytes }, () => this.below(256))).toString('base64');
  }

  date(): string {
    return new Date(
      Date.UTC(2026, this.below(12), 1 + this.below(28), this.below(24), this.below(60)),
    ).toISOString();
  }

  price(): number {
    return this.below(90_000) / 100;
  }

  prose(sentences: number): string {
    return Array.from({ length: 1 + this.below(sentences) }, () => this.sentence()).join(' ');
  }

  private sentence(): string {
    return this.of(SENTENCES)
      .replace('{name}', this.name())
      .replace('{product}', this.of(PRODUCTS))
      .replace('{town}', this.of(TOWNS))
      .replace('{company}', this.of(COMPANIES))
      .replace('{number}', String(1 + this.below(40)));
  }

  markdown(): string {
    const items = Array.from({ length: 1 + this.below(4) }, () => `- ${this.prose(1)}`).join('\n');
    return `# ${this.of(TITLES)}\n\n${this.prose(4)}\n\n${items}\n\nSee [the docs](https://docs.example.com/a/b?x=1&y=2#top) and *${this.of(PRODUCTS)}*.\n\n| a | b |\n| --- | --- |\n| ${this.price()} | ${this.of(TOWNS)} |`;
  }

  code(): string {
    return `${this.prose(2)}\n\n\`\`\`\n${this.of(CODE)}\n\`\`\`\n\n${this.prose(1)}`;
  }

  address(): object {
    return {
      street: `${1 + this.below(200)} ${this.of(STREETS)}`,
      city: this.of(TOWNS),
      postcode: `${this.hex(2).toUpperCase()}${this.below(99)} ${this.below(9)}AB`,
      country: this.of(['IE', 'DE', 'FR', 'GB', 'US', 'JP']),
    };
  }

  url(): string {
    return `https://${this.of(['www', 'shop', 'cdn'])}.example.com/${this.of(PRODUCTS).toLowerCase().replaceAll(' ', '-')}/${this.below(9999)}?utm_source=mail&utm_campaign=${this.of(TOWNS)}&ref=${this.hex(6)}#reviews`;
  }
}
