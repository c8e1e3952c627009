/**
 * The reference page: every key of every kind of document, with what it may be and what it is if not said.
 */
import type { JsonSchema } from './json-schemas.ts';

/** Where a kind is explained, from the folder of the page. */
const EXPLAINED: Readonly<Record<string, string>> = {
  Sidecar: '../../sidecar/src/config/README.md',
  HTTPRoute: '../../sidecar/src/routing/README.md',
  GRPCRoute: '../../sidecar/src/routing/README.md',
  AccessPolicy: '../../sidecar/src/filters/access/README.md',
  FaultPolicy: '../../sidecar/src/filters/fault/README.md',
  JwtPolicy: '../../sidecar/src/filters/jwt/README.md',
  RateLimitPolicy: '../../sidecar/src/filters/rate-limit/README.md',
  ServiceLevel: '../../alerts/README.md',
  TrafficPolicy: '../../sidecar/src/upstream/README.md',
  WafPolicy: '../../sidecar/src/filters/waf/README.md',
};

const INTRODUCTION = `# Reference of the config

Made from the schemas of the sidecar by \`npm run generate\`; do not edit. Beside each kind lies its JSON Schema, and in
\`config.schema.json\` one for all of them.
`;

export function renderReference(schemas: ReadonlyMap<string, JsonSchema>): string {
  return [INTRODUCTION, ...Array.from(schemas, ([kind, schema]) => renderKind(kind, schema))].join('\n');
}

function renderKind(kind: string, schema: JsonSchema): string {
  const explained = EXPLAINED[kind];
  if (explained === undefined) throw new Error(`reference.ts: say where ${kind} is explained`);
  const rows = [...listKeys(schema, '', new Set(schema.required))].map(
    ({ path, type, fallback }) => `| \`${path}\` | ${type} | ${fallback} |`,
  );
  return [
    `## ${kind}`,
    '',
    `What the keys mean: [${kind}](${explained}).`,
    '',
    '| Key | Type | Default |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

type Row = { readonly path: string; readonly type: string; readonly fallback: string };

function* listKeys(schema: JsonSchema, path: string, required: ReadonlySet<string>): Iterable<Row> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    // A key that takes no value is one that others know and this implementation refuses.
    if (child.not !== undefined) continue;
    const childPath = path === '' ? key : `${path}.${key}`;
    const fallback = required.has(key) ? 'required' : describeDefault(child.default);
    yield { path: childPath, type: describeType(child), fallback };
    yield* listInner(child, childPath);
  }
}

/** The keys of mappings inside a value: of the value itself, of the items of a list, of whatever it may be instead. */
function* listInner(schema: JsonSchema, path: string): Iterable<Row> {
  if (schema.properties !== undefined) yield* listKeys(schema, path, new Set(schema.required));
  if (schema.items !== undefined) yield* listInner(schema.items, `${path}[]`);
  for (const option of schema.anyOf ?? []) yield* listInner(option, path);
}

function describeType(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(describeType))].join(' or ');
  switch (schema.type) {
    case 'object':
      return 'mapping';
    case 'array':
      return `list${describeCount(schema)}`;
    case 'string':
      return schema.format === 'date-time' ? 'time' : 'text';
    case 'integer':
      return `whole number${describeRange(schema)}`;
    case 'number':
      return `number${describeRange(schema)}`;
    default:
      return schema.type ?? 'any';
  }
}

function describeCount({ minItems = 0, maxItems, items }: JsonSchema): string {
  const count =
    maxItems === undefined ? '' : minItems > 0 ? ` of ${minItems} to ${maxItems}` : ` of at most ${maxItems}`;
  const inner = items === undefined || items.type === 'object' ? '' : `: ${describeType(items)}`;
  return `${count}${inner}`;
}

function describeRange({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  return minimum === undefined ? '' : ` from ${minimum}`;
}

function describeDefault(value: unknown): string {
  return value === undefined ? '' : code(value);
}

function code(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text === '' ? '`""`' : `\`${text.replaceAll('|', '\\|')}\``;
}
