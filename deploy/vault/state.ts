/**
 * From the files of state/ and policies/, and the config, to the list of what must stand in Vault.
 *
 * Invariant: what comes first is needed by what follows: audit before everything, so that all of it is on record; engines before what is in them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readYaml } from '../../sidecar/src/config/yaml-source.ts';
import type { DeployConfig } from './config.ts';
import { auditAt, mountAt, objectAt, type Resource, rootAt, writtenAt } from './resource.ts';

export interface State {
  readonly resources: readonly Resource[];
  /** Below these paths nothing else may be. */
  readonly complete: readonly string[];
}

type Values = DeployConfig['values'];

const fields = z.record(z.string(), z.unknown());
const byPath = z.record(z.string(), fields);
const engineData = z.strictObject({
  audit: byPath,
  mounts: byPath,
  auth: byPath,
  root: fields,
  objects: byPath,
  complete: z.array(z.string()),
});
const workloadData = z.strictObject({
  workloads: z.record(z.string(), z.strictObject({ policy: z.string(), redis: z.string().optional() })),
  login: fields,
  appRole: fields,
  redis: z.record(z.string(), z.array(z.string())),
  redisRole: fields,
  redisConnection: fields,
});
const kubernetesData = z.strictObject({
  auth: byPath,
  objects: byPath,
  role: fields,
  complete: z.array(z.string()),
});

/** Limits that sidecars share have users of their own, lent to every service. */
const SHARED = ['rate-limit', 'rate-limit'] as const;

export function readState({ values, hasKubernetes, redisPassword, written }: DeployConfig): State {
  const engines = readData('engines', engineData, values);
  const { workloads, login, appRole, ...lent } = readData('workloads', workloadData, values);
  const kubernetes = hasKubernetes ? readData('kubernetes', kubernetesData, values) : null;
  const redisUsers = Object.entries(workloads).flatMap(([name, { redis }]) => (redis ? [[name, redis]] : []));
  const resources = [
    ...each(engines.audit, auditAt),
    ...each(engines.mounts, (path, wanted) => mountAt('sys/mounts', path, wanted)),
    ...each({ ...engines.auth, ...kubernetes?.auth }, (path, wanted) => mountAt('sys/auth', path, wanted)),
    rootAt('pki', 'root', engines.root),
    ...each({ ...engines.objects, ...kubernetes?.objects }, objectAt),
    objectAt(
      'database/config/redis',
      { ...lent.redisConnection, allowed_roles: [...redisUsers, SHARED].map(([name]) => name) },
      { password: redisPassword },
    ),
  ];
  for (const [name, { policy }] of Object.entries(workloads)) {
    const rights = ['login', policy].map((file) => readPolicy(file, { ...values, name })).join('\n');
    const may = { token_policies: [name], ...login };
    resources.push(
      objectAt(`sys/policies/acl/${name}`, { policy: rights }),
      objectAt(`auth/approle/role/${name}`, { ...may, ...appRole }),
    );
    if (kubernetes !== null)
      resources.push(
        objectAt(`auth/kubernetes/role/${name}`, {
          ...may,
          ...kubernetes.role,
          bound_service_account_names: [name],
        }),
      );
  }
  for (const [name, kind] of [...redisUsers, SHARED]) {
    const creation_statements = [JSON.stringify(lent.redis[kind as string])];
    resources.push(objectAt(`database/roles/${name}`, { ...lent.redisRole, creation_statements }));
  }
  resources.push(...each(written, (path, content) => writtenAt('secret', path, content)));
  return { resources, complete: [...engines.complete, ...(kubernetes?.complete ?? [])] };
}

function each<T>(
  record: Readonly<Record<string, T>>,
  make: (path: string, value: T) => Resource,
): Resource[] {
  return Object.entries(record).map(([path, value]) => make(path, value));
}

function readData<S extends z.ZodType>(name: string, schema: S, values: Values): z.infer<S> {
  const file = join(import.meta.dirname, 'state', `${name}.yaml`);
  const { value, problems } = readYaml(readFileSync(file, 'utf8'));
  if (problems.length > 0) throw new Error(`${file}: ${problems[0]?.message}`);
  return schema.parse(fill(value, values));
}

function readPolicy(name: string, values: Values): string {
  const text = readFileSync(join(import.meta.dirname, 'policies', `${name}.hcl`), 'utf8');
  return fill(text, values) as string;
}

/** `${…}` alone becomes the value as it is, and within a text the text of it. */
function fill(value: unknown, values: Values): unknown {
  if (typeof value === 'string') {
    const alone = /^\$\{([\w.]+)\}$/.exec(value)?.[1];
    if (alone !== undefined) return find(alone, values);
    return value.replace(/\$\{([\w.]+)\}/g, (_match, name: string) => String(find(name, values)));
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, values));
  if (typeof value !== 'object' || value === null) return value;
  const filled = Object.entries(value).map(([key, content]) => [key, fill(content, values)]);
  return Object.fromEntries(filled.filter(([, content]) => content !== undefined));
}

function find(name: string, values: Values): unknown {
  if (!(name in values)) throw new Error(`deploy/vault: nothing is called \${${name}}`);
  return values[name];
}
