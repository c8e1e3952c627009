/**
 * From the annotations of a pod to the config of its agent, by the names that Vault's Agent Injector has given them.
 *
 * Invariant: an annotation of that family which is not understood is an error and never ignored: a pod must not start with less than it asked for.
 */
import { closest } from '../../sidecar/src/config/closest.ts';
import type { AgentDocument } from './agent-config.ts';

const PREFIX = 'vault.hashicorp.com/';
const PLAIN = ['agent-inject', 'role', 'namespace', 'auth-path'] as const;
const BY_NAME = [
  'agent-inject-secret-',
  'agent-inject-template-',
  'agent-inject-perms-',
  'agent-inject-file-',
] as const;

/** Of the cluster, not of the pod. */
export interface InjectorDefaults {
  readonly address: string;
  readonly rootsFile?: string;
}

export type Annotations = Readonly<Record<string, string>>;

/** The agent's document, or null for a pod that wants none. Throws an error that names the annotation and what to do. */
export function readAnnotations(annotations: Annotations, defaults: InjectorDefaults): AgentDocument | null {
  const given = new Map(
    Object.entries(annotations)
      .filter(([key]) => key.startsWith(PREFIX))
      .map(([key, value]) => [key.slice(PREFIX.length), value]),
  );
  if (!isTrue(given)) return null;
  for (const key of given.keys()) refuseUnknown(key);
  const role = given.get('role');
  if (role === undefined)
    throw new Error(`${PREFIX}role: is required; name the role of Vault's Kubernetes auth`);
  const { address, rootsFile } = defaults;
  const namespace = given.get('namespace');
  return {
    vault: {
      address,
      ...(rootsFile === undefined ? {} : { rootsFile }),
      ...(namespace === undefined ? {} : { namespace }),
      auth: { kubernetes: { role, mount: mountOf(given.get('auth-path')) } },
    },
    files: filesOf(given),
  };
}

function isTrue(given: ReadonlyMap<string, string>): boolean {
  const value = given.get('agent-inject') ?? 'false';
  if (value === 'true' || value === 'false') return value === 'true';
  throw new Error(`${PREFIX}agent-inject: must be "true" or "false"`);
}

function refuseUnknown(key: string): void {
  if ((PLAIN as readonly string[]).includes(key)) return;
  if (BY_NAME.some((prefix) => key.startsWith(prefix) && key.length > prefix.length)) return;
  const known = closest(key, [...PLAIN, ...BY_NAME.map((prefix) => `${prefix}<name>`)]);
  const advice = known === null ? '' : `; did you mean \`${PREFIX}${known}\`?`;
  throw new Error(`${PREFIX}${key}: is not supported${advice}`);
}

/** Vault's annotation has the whole path, as `auth/kubernetes`. */
function mountOf(authPath = 'auth/kubernetes'): string {
  if (authPath.startsWith('auth/')) return authPath.slice('auth/'.length);
  throw new Error(`${PREFIX}auth-path: must begin with auth/, like auth/kubernetes`);
}

function filesOf(given: ReadonlyMap<string, string>): AgentDocument['files'] {
  const names = namesOf(given, 'agent-inject-secret-');
  if (names.length === 0)
    throw new Error(
      `${PREFIX}agent-inject-secret-<name>: is required; name a path of Vault, like secret/data/orders`,
    );
  for (const prefix of BY_NAME) {
    const stray = namesOf(given, prefix).find((name) => !names.includes(name));
    if (stray !== undefined)
      throw new Error(`${PREFIX}${prefix}${stray}: has no ${PREFIX}agent-inject-secret-${stray} beside it`);
  }
  const files: AgentDocument['files'] = {};
  for (const name of names) {
    const file = given.get(`agent-inject-file-${name}`) ?? name;
    if (Object.hasOwn(files, file))
      throw new Error(`${PREFIX}agent-inject-file-${name}: ${file} is the file of another secret`);
    const template = given.get(`agent-inject-template-${name}`);
    const mode = given.get(`agent-inject-perms-${name}`);
    files[file] = {
      vault: given.get(`agent-inject-secret-${name}`) as string,
      ...(template === undefined ? {} : { template }),
      ...(mode === undefined ? {} : { mode }),
    };
  }
  return files;
}

function namesOf(given: ReadonlyMap<string, string>, prefix: string): string[] {
  return [...given.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
}
