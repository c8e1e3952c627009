/**
 * The service's YAML, and the policies that it names: strict, and every problem comes back at once with the place where it stands.
 */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Address } from '../../sidecar/src/config/address.ts';
import { placeFinding } from '../../sidecar/src/config/documents.ts';
import { explainIssues, type Finding } from '../../sidecar/src/config/explain.ts';
import { baseFolder, readConfigTexts } from '../../sidecar/src/config/load.ts';
import { ConfigError, type ConfigProblem } from '../../sidecar/src/config/problem.ts';
import { DOCUMENT_KINDS, POLICIES } from '../../sidecar/src/config/resources.ts';
import { address, filePath, label } from '../../sidecar/src/config/values.ts';
import { readYamlDocuments, type YamlSource } from '../../sidecar/src/config/yaml-source.ts';
import { placeStoreFiles, type RateLimitSpec } from '../../sidecar/src/filters/rate-limit/config.ts';
import type { PolicySpec } from '../../sidecar/src/filters/rate-limit/limit.ts';

export interface RateLimitServiceConfig {
  readonly listen: Address;
  /** Metrics and health. */
  readonly admin: Address;
  readonly policies: readonly PolicySpec[];
}

const MAX_PATHS = 64;

const document = z.strictObject({
  listen: address('listen'),
  admin: z.strictObject({ listen: address('listen') }).prefault({ listen: '127.0.0.1:0' }),
  namespace: label.default('default'),
  policies: z.array(filePath).min(1).max(MAX_PATHS),
});

const POLICY_KIND = POLICIES.rateLimit.kind;

interface PolicyDocument {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: RateLimitSpec & { readonly targetRefs: unknown };
}

export async function loadRateLimitServiceConfig(file: string): Promise<RateLimitServiceConfig> {
  const [{ source }, ...others] = await readDocuments(file);
  if (others.length > 0) throw new ConfigError([problemAt(file, 'must hold one document')]);
  const parsed = document.safeParse(source.value);
  if (!parsed.success) {
    const findings = explainIssues(parsed.error.issues, source.value, document);
    throw new ConfigError(findings.map((finding) => placeFinding(finding, { file, source })));
  }
  const { listen, admin, namespace, policies: paths } = parsed.data;
  const policies: PolicySpec[] = [];
  const problems: ConfigProblem[] = [];
  for (const path of paths.map((each) => resolve(dirname(file), each))) {
    const folder = await baseFolder(path);
    for (const origin of await readDocuments(path)) {
      if (!isPolicy(origin.source.value)) continue;
      const policy = readPolicy(origin.source.value, namespace, folder);
      if ('spec' in policy) policies.push(policy);
      else problems.push(...policy.findings.map((finding) => placeFinding(finding, origin)));
    }
  }
  problems.push(...checkNames(file, policies));
  if (problems.length > 0) throw new ConfigError(problems);
  return { listen, admin: admin.listen, policies };
}

async function readDocuments(path: string): Promise<[Origin, ...Origin[]]> {
  const texts = await readConfigTexts(path);
  if (!Array.isArray(texts)) throw new ConfigError([texts]);
  const origins = texts.flatMap(({ file, text }) =>
    readYamlDocuments(text).map((source) => ({ file, source })),
  );
  const problems = origins.flatMap(({ file, source }) =>
    source.problems.map((problem) => ({ file, path: '', ...problem })),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  if (origins.length === 0) throw new ConfigError([problemAt(path, 'has nothing in it')]);
  return origins as [Origin, ...Origin[]];
}

interface Origin {
  readonly file: string;
  readonly source: YamlSource;
}

/** Documents for others may stand in the same files. */
function isPolicy(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === POLICY_KIND;
}

function readPolicy(
  value: unknown,
  namespace: string,
  folder: string,
): PolicySpec | { readonly findings: readonly Finding[] } {
  const schema = DOCUMENT_KINDS.get(POLICY_KIND) as z.ZodObject;
  const parsed = schema.safeParse(value);
  if (!parsed.success) return { findings: explainIssues(parsed.error.issues, value, schema) };
  const { metadata, spec } = parsed.data as unknown as PolicyDocument;
  // Services are what sidecars stand in front of; here a domain says which policy is meant.
  const { targetRefs: _, ...rest } = spec;
  return {
    namespace: metadata.namespace ?? namespace,
    name: metadata.name,
    spec: placeStoreFiles(rest, folder) as RateLimitSpec,
  };
}

function checkNames(file: string, policies: readonly PolicySpec[]): ConfigProblem[] {
  if (policies.length === 0) return [problemAt(file, `names no ${POLICY_KIND}`)];
  const names = policies.map(({ namespace, name }) => `${namespace}/${name}`);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  return twice.map((name) => problemAt(file, `leads to two policies of the name ${name}`));
}

function problemAt(file: string, message: string): ConfigProblem {
  return { file, line: 1, column: 1, path: '', message, suggestion: null };
}
