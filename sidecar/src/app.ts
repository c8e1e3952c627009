/**
 * A sidecar from start to drained: config, identity, listeners, admin. main.ts wraps it in a process; tests call it directly.
 *
 * Invariants
 * - It is ready only when every listener listens and, with mTLS, a certificate is there.
 * - A config is applied as a whole or not at all; what can't change without a restart is refused before it gets here.
 * - Draining: readiness goes first, then no new connections and requests, then exchanges complete until `drainMs`.
 */
import { startAdminServer } from './admin/server.ts';
import type { SidecarConfig } from './config/schema.ts';
import { buildSnapshot, retireSnapshot, type RouteProfile, type Snapshot } from './config/snapshot.ts';
import { type ConfigEvent, type ConfigWatch, startConfigWatch } from './config/watch.ts';
import { formatProblem } from './config/problem.ts';
import { type Chain, compileChain } from './core/chain.ts';
import { systemClock } from './core/clock.ts';
import { Deadlines } from './core/deadlines.ts';
import { type Identity, type IdentityEvent, startIdentity } from './identity/identity.ts';
import { clientTlsOptions, peerSpiffeId, serverTlsOptions } from './identity/trust.ts';
import { HostRouter } from './outbound/host-router.ts';
import { Listener, type ListenerSecurity } from './protocol/http1/listener.ts';
import { report } from './report.ts';
import { TransportContext } from './transport/transport.ts';

export interface SidecarOptions {
  readonly configPath: string;
  /** Where the last good config is kept for the next start; null keeps none. */
  readonly lastGoodPath?: string | null;
}

export interface Sidecar {
  readonly adminPort: number;
  readonly inboundPorts: Readonly<Record<string, number>>;
  readonly outboundPort: number | null;
  /** Reads the config file again. */
  reload(): Promise<void>;
  /** Settles when everything is stopped. */
  drain(): Promise<void>;
}
