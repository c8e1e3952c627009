// Harmless requests: made from a seed as clients of shops, support desks and content systems send them, and real ones.
//
// The made ones have on purpose what makes firewalls err: apostrophes, prose with words of SQL, shell and HTML, code in questions, Markdown, addresses,
// base64, GraphQL, filters, JSON Schema with its `$ref`.
import { Draw } from './draw.ts';
import { readGoTestWafTexts } from './lists.ts';
import { type BenignList, type BenignRequest, body, webhooks } from './real.ts';
import { COMPANIES, LAST_NAMES, PRODUCTS, TITLES, TOWNS } from './words.ts';

const SEED = 20_261_124;
const MADE = { bodies: 3_000, forms: 1_000, targets: 1_000 };
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

function make(
  count: number,
  seed: number,
  one: (draw: Draw, index: number) => BenignRequest,
): BenignRequest[] {
  const draw = new Draw(seed);
  return Array.from({ length: count }, (_, index) => one(draw, index));
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
