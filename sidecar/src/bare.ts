import { compileChain, type Chain } from './core/chain.ts';
import type { RouteProfile } from './config/snapshot.ts';
import type { UpstreamCounts } from './upstream/endpoint.ts';
export interface UpstreamReading { route: string; address: string; counts: UpstreamCounts }
export interface Observability {
  buildChain(profile: RouteProfile, ownIdentity: () => string): Chain;
  poolObserver(profile: RouteProfile): { onConnected(): void; onConnectFailed(): void };
  listenerObserver(name: string, direction: string): { onOpened(): void; onClosed(): void; onHandshakeFailed(): void };
  watchUpstreams(read: () => Iterable<UpstreamReading>): void;
  setConfigStatus(read: () => unknown): void;
  setCertificateExpiry(read: () => number | null): void;
  metrics(): Promise<{ contentType: string; body: string }>;
  reopen(): void;
  close(ms: number): Promise<void>;
}
export function createObservability(_: unknown): Observability {
  return {
    buildChain: () => compileChain([]),
    poolObserver: () => ({ onConnected() {}, onConnectFailed() {} }),
    listenerObserver: () => ({ onOpened() {}, onClosed() {}, onHandshakeFailed() {} }),
    watchUpstreams() {}, setConfigStatus() {}, setCertificateExpiry() {},
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
    reopen() {}, close: async () => {},
  };
}
