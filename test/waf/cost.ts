// npm run bench:waf : what looking at 1 KB of JSON costs, beside what JSON.parse of the same bytes costs in the same run.
import { newInspector } from './measure.ts';

const ROUNDS = 7;
const ROUND_US = 150_000;
const CALLS_AT_ONCE = 32;

export interface Cost {
  readonly body: string;
  readonly bytes: number;
  /** Medians, of one KB. */
  readonly inspectUs: number;
  readonly parseUs: number;
}

const ORDER = {
  orderId: '0c7c6f0e-53a1-4f7e-8e9c-1f0f0f5b5a31',
  customer: {
    id: 48_213,
    name: "Siobhan O'Connor",
    email: 'siobhan.oconnor@example.com',
    phone: '+353 1 496 0123',
    address: { street: "12 St. Stephen's Green", city: 'Dublin', postcode: 'D02 X285', country: 'IE' },
  },
  items: [
    { sku: 'TBL-0042-OAK', title: 'Dining table, oak, 180 cm', quantity: 1, unitPrice: 649, currency: 'EUR' },
    {
      sku: 'CHR-0017-BLK',
      title: 'Chair "Lina", black & walnut',
      quantity: 6,
      unitPrice: 89.5,
      currency: 'EUR',
    },
  ],
  delivery: {
    method: 'courier',
    window: '2026-11-24T09:00:00Z/2026-11-24T13:00:00Z',
    note: 'Please ring at the side door; select the second bell, or drop the parcel at no. 14 if nobody is in.',
  },
  payment: { method: 'card', token: 'tok_1NqX2bLkdIwHu7ix3b9PZc8T', installments: 1 },
  marketing: { consent: true, source: 'newsletter-2026-10', tags: ['new', 'furniture', 'autumn'] },
  metadata: {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    client: 'web/7.12.3',
    locale: 'en-IE',
    comment: 'Union Square showroom visit on Friday',
  },
};
const PROSE =
  "It's the customers' choice: select one of the options from the list below, or drop me a line (by 5 p.m.). ";
const KB = 1_024;

const BODIES: readonly (readonly [name: string, body: unknown])[] = [
  ['an order, 1 KB', ORDER],
  ['an order, 16 KB', Array.from({ length: 16 }, () => ORDER)],
  ['numbers', Array.from({ length: 170 }, (_, index) => index * 31.5)],
  [
    'ids and words',
    Array.from({ length: 24 }, (_, index) => ({ id: `4bf92f3577b34da6a3ce929d0e0e47${index}` })),
  ],
  ['one text of prose', { text: PROSE.repeat(10) }],
  ['prose of another language', { text: 'Größer als fünf Meter, für 3 Euro überall. '.repeat(22) }],
  ['hostile: quotes', { text: `'"\``.repeat(KB / 4) }],
  ['hostile: comments that never end', { text: '/*'.repeat(KB / 2) }],
  ['hostile: conditions', { text: "' or f((((1=".repeat(KB / 12) }],
  ['hostile: nested escapes', { text: '%2525252527'.repeat(KB / 11) }],
  ['hostile: selects', { text: 'union select ('.repeat(KB / 14) }],
  ['hostile: pipes', { text: '|cat$(`;&&'.repeat(KB / 10) }],
  ['hostile: tags', { text: '<a on=:('.repeat(KB / 8) }],
  ['hostile: prose, 64 KB', { text: PROSE.repeat(600) }],
  ["hostile: ' or f((((1= of 64 KB", { text: "' or f((((1=".repeat(5_400) }],
  ['hostile: this.this. of 64 KB', { text: 'this.'.repeat(13_000) }],
  ['hostile: ../ of 64 KB', { text: '../'.repeat(21_000) }],
];

export function measureCosts(): Cost[] {
  const inspector = newInspector(2);
  return BODIES.map(([name, value]) => {
    const body = Buffer.from(JSON.stringify(value));
    const text = body.toString();
    const perKb = KB / body.length;
    const inspect = () => {
      inspector.begin();
      inspector.json(body);
    };
    const parse = () => {
      JSON.parse(text);
    };
    const rounds = Array.from({ length: ROUNDS }, () => [time(inspect), time(parse)] as const);
    return {
      body: name,
      bytes: body.length,
      inspectUs: median(rounds.map(([inspected]) => inspected)) * perKb,
      parseUs: median(rounds.map(([, parsed]) => parsed)) * perKb,
    };
  });
}

export function measureCost(): void {
  console.log('| body | bytes | us per KB | JSON.parse, us per KB | ratio |');
  console.log('| --- | --- | --- | --- | --- |');
  for (const { body, bytes, inspectUs, parseUs } of measureCosts()) {
    const columns = [body, bytes, inspectUs.toFixed(1), parseUs.toFixed(1), (inspectUs / parseUs).toFixed(1)];
    console.log(`| ${columns.join(' | ')} |`);
  }
}

/** Microseconds of one call, of CPU: others on the machine do not count. */
function time(call: () => void): number {
  const before = process.cpuUsage();
  let calls = 0;
  let usedUs = 0;
  while (usedUs < ROUND_US) {
    for (let i = 0; i < CALLS_AT_ONCE; i++) call();
    calls += CALLS_AT_ONCE;
    const { user, system } = process.cpuUsage(before);
    usedUs = user + system;
  }
  return usedUs / calls;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

if (import.meta.main) measureCost();
