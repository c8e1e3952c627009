/**
 * What documents say about one another: that the services they name are known, that none says what another says already, and that each
 * has an effect. What has none is a warning: it is right by itself, and may be meant for other sidecars.
 */
import { closest } from './closest.ts';
import { type DocumentSet, type Placed, placeFinding } from './documents.ts';
import type { Finding } from './explain.ts';
import { type ConfigProblem, type KeyPath, quote } from './problem.ts';
import type { ResourceDocument } from './resources.ts';
import type { SidecarConfig } from './schema.ts';
import { type KnownService, listServices, type ServiceName, serviceKey } from './services.ts';

export type CheckedReferences = {
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
};

export function checkReferences(config: SidecarConfig, documents: DocumentSet): CheckedReferences {
  const check = new ReferenceCheck(config);
  check.services(config, documents.sidecar);
  for (const document of sortByName(documents.resources, config.namespace)) check.resource(document);
  return check;
}

type Named = Placed<ResourceDocument> & { readonly namespace: string; readonly name: string };

class ReferenceCheck implements CheckedReferences {
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigProblem[] = [];
  private readonly known: ReadonlyMap<string, KnownService>;
  private readonly names = new Set<string>();
  /** By kind of policy and target, the policy. */
  private readonly targets = new Map<string, string>();

  constructor(config: SidecarConfig) {
    this.known = listServices(config);
  }

  /** A name that two services have would leave open which one is meant. */
  services({ outbound }: SidecarConfig, { origin }: Placed<unknown>): void {
    const first = new Map<string, number>();
    for (const [index, service] of outbound?.services.entries() ?? []) {
      const earlier = first.get(serviceKey(service));
      first.set(serviceKey(service), index);
      if (earlier === undefined) continue;
      const message = `has the name of spec.outbound.services[${earlier}], by which documents refer to it`;
      const suggestion = 'give one of them a `name` of its own';
      const path = ['spec', 'outbound', 'services', index, 'name'];
      this.problems.push(placeFinding({ path, message, suggestion, at: 'value' }, origin));
    }
  }

  resource(document: Named): void {
    const { content, origin, namespace, name } = document;
    if (this.names.has(`${content.kind} ${namespace}/${name}`)) {
      this.problems.push(placeFinding(REPEATED, origin));
      return;
    }
    this.names.add(`${content.kind} ${namespace}/${name}`);
    for (const [index, target] of content.spec.targetRefs.entries()) {
      this.target(document, ['spec', 'targetRefs', index, 'name'], target.name);
    }
  }

  private target({ content, origin, namespace, name }: Named, path: KeyPath, target: string): void {
    const key = serviceKey({ namespace, name: target });
    const service = this.known.get(key);
    if (service === undefined) {
      this.problems.push(
        placeFinding(explainUnknown(path, { namespace, name: target }, [...this.known.keys()]), origin),
      );
      return;
    }
    const earlier = this.targets.get(`${content.kind} ${key}`);
    this.targets.set(`${content.kind} ${key}`, name);
    if (earlier !== undefined) {
      const message = `is a target of ${content.kind} ${earlier}, too, and only one of a kind can apply`;
      const finding = { path, message, suggestion: 'keep one of the two', at: 'value' } as const;
      this.problems.push(placeFinding(finding, origin));
    } else if (!service.speaksHttp) {
      const message = `has no effect: ${quote(target)} speaks no HTTP, which is all that policies see`;
      this.warnings.push(placeFinding({ path, message, suggestion: null, at: 'value' }, origin));
    }
  }
}

const REPEATED: Finding = {
  path: ['metadata', 'name'],
  message: 'is the name of another document of this kind',
  suggestion: 'give each a name of its own',
  at: 'value',
};

/** So that which of two is called the second does not depend on the files in which they stand. */
function sortByName(documents: readonly Placed<ResourceDocument>[], namespace: string): Named[] {
  return documents
    .map(({ content, origin }) => {
      const { metadata } = content;
      return { content, origin, namespace: metadata.namespace ?? namespace, name: metadata.name };
    })
    .sort((a, b) => (serviceKey(a) < serviceKey(b) ? -1 : 1));
}

function explainUnknown(path: KeyPath, wanted: ServiceName, known: readonly string[]): Finding {
  const { namespace, name } = wanted;
  const message = `names no service of this sidecar: ${quote(name)} in namespace ${quote(namespace)}`;
  return { path, message, suggestion: suggestService(wanted, known), at: 'value' };
}

function suggestService({ namespace, name }: ServiceName, known: readonly string[]): string {
  const elsewhere = known.find((key) => key.endsWith(`/${name}`));
  if (elsewhere !== undefined) return `it is in namespace ${quote(elsewhere.split('/')[0])}`;
  const names = known.filter((key) => key.startsWith(`${namespace}/`)).map((key) => key.split('/')[1] ?? '');
  const near = closest(name, names);
  if (near !== null) return `did you mean ${quote(near)}?`;
  return 'name the own service (spec.service), or one of spec.outbound.services';
}
