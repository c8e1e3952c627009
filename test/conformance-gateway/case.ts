// A case of the Gateway API's conformance suite as data: the routes of a mesh, and what requests to it come to.

export interface GatewayCase {
  /** Of the test in the upstream suite that has the same facts. */
  readonly name: string;
  /** Specs of routes, all of the kind that the table is about. */
  readonly routes: readonly Record<string, unknown>[];
  readonly requests: readonly Expectation[];
}

export interface Expectation {
  /** The path, or all of a request. */
  readonly ask: string | Asked;
  readonly get: Expected;
}

export interface Asked {
  readonly path?: string;
  readonly method?: string;
  /** `echo` unless said. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Expected {
  /** 200 unless said. */
  readonly status?: number;
  readonly backend?: 'v1' | 'v2' | 'either';
  /** As the backend saw it. */
  readonly path?: string;
  readonly host?: string;
  /** Fields that the backend saw; null for those that it must not see. Repeated fields are joined by commas. */
  readonly sees?: Readonly<Record<string, string | null>>;
  /** Fields of the answer. */
  readonly returns?: Readonly<Record<string, string | null>>;
}

/** A reference to a Service as `parentRefs` and `backendRefs` have it. */
export function service(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { group: '', kind: 'Service', name, port: 8080, ...more };
}

export function parent(name = 'echo', more: Record<string, unknown> = {}): Record<string, unknown> {
  return { group: '', kind: 'Service', name, ...more };
}

export const V1 = [service('echo-v1')];
export const V2 = [service('echo-v2')];
