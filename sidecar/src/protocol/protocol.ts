/**
 * What config can say that a connection speaks, by the names that Kubernetes' appProtocol has for it.
 */
export type Protocol =
  | 'auto'
  | 'http'
  | 'http2'
  | 'grpc'
  | 'tcp'
  | 'tls'
  | 'redis'
  | 'mongo'
  | 'kafka'
  | 'mysql'
  | 'postgresql'
  | 'smtp';

/**
 * What follows from it. `detect`: the first bytes tell. `http`: HTTP and nothing else, of a version that the first bytes tell.
 * `tcp`: bytes are passed on, and nobody waits for the client to speak first.
 */
export type Handling = 'detect' | 'http' | 'http2' | 'tcp';

export const HANDLING: Readonly<Record<Protocol, Handling>> = {
  auto: 'detect',
  http: 'http',
  http2: 'http2',
  grpc: 'http2',
  tcp: 'tcp',
  tls: 'tcp',
  redis: 'tcp',
  mongo: 'tcp',
  kafka: 'tcp',
  mysql: 'tcp',
  postgresql: 'tcp',
  smtp: 'tcp',
};

/** Why the first byte of a client can't tell that it speaks this in clear, and not mTLS. */
export const UNTELLABLE: Readonly<Partial<Record<Protocol, string>>> = {
  tls: 'begins as mTLS does',
  mysql: 'lets the server speak first',
  smtp: 'lets the server speak first',
};

/** Other names of the same, from the registries that appProtocol takes its names from. */
export const PROTOCOL_ALIASES: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'tls',
  https: 'tls',
  mongodb: 'mongo',
};

export const PROTOCOL_NAMES: readonly string[] = [...Object.keys(HANDLING), ...Object.keys(PROTOCOL_ALIASES)];

export function protocolNamed(name: string): Protocol {
  return PROTOCOL_ALIASES[name] ?? (name as Protocol);
}
