/**
 * From YAML documents to typed ones: which kind each is, whether it is right by itself, and whether they can stand together: one
 * Sidecar, and no two of one kind and name.
 */
import { checkDocument } from './check.ts';
import { closest } from './closest.ts';
import { explainIssues, type Finding } from './explain.ts';
import { type ConfigProblem, formatPath, quote } from './problem.ts';
import { DOCUMENT_KINDS, type ResourceDocument } from './resources.ts';
import type { SidecarDocument } from './schema.ts';
import type { ServiceLevelDocument } from './service-level.ts';
import type { YamlSource } from './yaml-source.ts';

/** A YAML document and where it stands. */
export type DocumentSource = { readonly file: string; readonly source: YamlSource };

export type Placed<Content> = { readonly content: Content; readonly origin: DocumentSource };

/** Documents that are right by themselves. */
export type DocumentSet = {
  readonly sidecar: Placed<SidecarDocument>;
  readonly resources: readonly Placed<ResourceDocument>[];
};

/** As above, of which the Sidecar may be absent, as where nothing but service levels is read. */
export type JudgedDocuments = {
  readonly sidecar: Placed<SidecarDocument> | null;
  readonly resources: readonly Placed<ResourceDocument>[];
  readonly serviceLevels: readonly Placed<ServiceLevelDocument>[];
  readonly problems: ConfigProblem[];
};

const SIDECAR = 'Sidecar';
const SERVICE_LEVEL = 'ServiceLevel';

/** The set, or every problem. */
export function readDocuments(origins: readonly DocumentSource[]): DocumentSet | ConfigProblem[] {
  const { sidecar, resources, problems } = judgeDocuments(origins);
  return sidecar === null || problems.length > 0 ? problems : { sidecar, resources };
}

export function judgeDocuments(origins: readonly DocumentSource[]): JudgedDocuments {
  const problems: ConfigProblem[] = [];
  const resources: Placed<ResourceDocument>[] = [];
  const serviceLevels: Placed<ServiceLevelDocument>[] = [];
  let sidecar: Placed<SidecarDocument> | null = null;
  for (const origin of origins) {
    const { kind, data, findings } = judge(origin.source.value, origins.length === 1);
    if (kind === SIDECAR && sidecar !== null) findings.push(explainSecond(sidecar.origin));
    problems.push(...findings.map((finding) => placeFinding(finding, origin)));
    if (kind === SIDECAR) sidecar ??= { content: data as SidecarDocument, origin };
    else if (kind !== SERVICE_LEVEL) resources.push({ content: data as ResourceDocument, origin });
    else problems.push(...addServiceLevel({ content: data as ServiceLevelDocument, origin }, serviceLevels));
  }
  return { sidecar, resources, serviceLevels, problems };
}

/** Their names are those of what is recorded, so that there is one of each, whatever the namespace. */
function addServiceLevel(
  added: Placed<ServiceLevelDocument>,
  levels: Placed<ServiceLevelDocument>[],
): ConfigProblem[] {
  levels.push(added);
  const name = added.content?.metadata.name;
  const earlier = levels.find(({ content }) => content?.metadata.name === name) ?? added;
  if (name === undefined || earlier === added) return [];
  const { file, source } = earlier.origin;
  const suggestion = `the first is at ${file}:${source.locateValue([]).line}; rename one of the two`;
  const message = 'is a second ServiceLevel of that name';
  return [placeFinding({ path: ['metadata', 'name'], message, suggestion, at: 'value' }, added.origin)];
}

export function placeFinding(
  { path, message, suggestion, at }: Finding,
  origin: DocumentSource,
): ConfigProblem {
  const { file, source } = origin;
  const position =
    at === 'value' ? source.locateValue(path) : source.locateKey(at === 'key' ? path : path.slice(0, -1));
  const problem = { file, ...position, path: formatPath(path), message, suggestion };
  const document = nameDocument(source.value);
  return document === null ? problem : { ...problem, document };
}

/** What one document is, by itself. `data` is right when there are no findings. */
type Judgement = { readonly kind: string; readonly data: unknown; readonly findings: Finding[] };

function judge(value: unknown, alone: boolean): Judgement {
  const kinds = [...DOCUMENT_KINDS.keys()];
  const given = own(value, 'kind');
  const near = typeof given === 'string' ? closest(given, kinds) : null;
  // A document by itself is the Sidecar, whatever it calls itself; of others only a misspelt kind is known.
  const kind = near ?? (alone ? SIDECAR : '');
  const findings: Finding[] = [];
  if (!isMapping(value)) {
    findings.push({
      path: [],
      message: `must be a mapping, not ${quote(value)}`,
      suggestion: null,
      at: 'value',
    });
    return { kind, data: null, findings };
  }
  const schema = DOCUMENT_KINDS.get(kind);
  const parsed = schema?.safeParse(value);
  if (given !== kind || schema === undefined) findings.push(explainKind(given, near, alone));
  if (schema !== undefined && parsed !== undefined) {
    const issues = (parsed.error?.issues ?? []).filter(({ path }) => path[0] !== 'kind');
    findings.push(...explainIssues(issues, value, schema));
  }
  if (kind === SIDECAR) findings.push(...checkDocument(value));
  return { kind, data: parsed?.data ?? null, findings };
}

function explainKind(given: unknown, near: string | null, alone: boolean): Finding {
  if (given === undefined) {
    const suggestion = alone
      ? `write \`kind: ${SIDECAR}\``
      : `write one of ${[...DOCUMENT_KINDS.keys()].join(', ')}`;
    return { path: ['kind'], message: 'is required', suggestion, at: 'parent' };
  }
  return {
    path: ['kind'],
    message: `must be ${[...DOCUMENT_KINDS.keys()].join(' or ')}, not ${quote(given)}`,
    suggestion: near === null ? null : `did you mean "${near}"?`,
    at: 'value',
  };
}

function explainSecond({ file, source }: DocumentSource): Finding {
  const suggestion = `the first is at ${file}:${source.locateValue([]).line}; keep one of the two`;
  return { path: [], message: 'is a second Sidecar', suggestion, at: 'value' };
}

/** As people call it; null for the Sidecar, which is what a config is about. */
function nameDocument(value: unknown): string | null {
  const kind = own(value, 'kind');
  const name = own(own(value, 'metadata'), 'name');
  if (typeof kind !== 'string' || kind === SIDECAR || !DOCUMENT_KINDS.has(kind)) return null;
  return typeof name === 'string' ? `${kind} ${name}` : kind;
}

function own(value: unknown, key: string): unknown {
  return isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
