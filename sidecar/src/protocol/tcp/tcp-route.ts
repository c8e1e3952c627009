/**
 * Where a connection is passed on to and who is told of it: compiled once for each config snapshot, then only read.
 */
import type { FailureKind } from '../../core/failure.ts';
import type { Direction } from '../../core/route.ts';
import type { AccessOutcome } from '../../filters/access/outcome.ts';
import type { ConnectionRules } from '../../filters/access/rules.ts';
import type { DataStoreObserver } from '../../observe/datastore.ts';
import type { ConnectTarget } from '../../upstream/connect.ts';
import type { PoolObserver } from '../../upstream/pool.ts';
import type { Protocol } from '../protocol.ts';

export interface TcpRoute {
  /** As of HTTP routes: the listener for inbound, the host for outbound. */
  readonly name: string;
  readonly direction: Direction;
  readonly protocol: Protocol;
  readonly targets: Targets;
  readonly timeouts: TcpTimeouts;
  /** Who may connect; null where everybody may. */
  readonly access: ConnectionRules | null;
  readonly observer: ConnectionObserver;
  /** Of the commands that pass, if they are to a data store whose protocol is understood. */
  readonly dataStoreObserver: DataStoreObserver | null;
  /** Whether what is observed of Redis names the prefixes of keys. */
  readonly keyPrefixes: boolean;
  readonly upstreamObserver: PoolObserver;
}

export interface TcpTimeouts {
  /** To connect to an endpoint, TLS included. */
  readonly connectMs: number;
  /** Without a byte in either direction. */
  readonly tcpIdleMs: number;
  /** For a client to say something, until its server is given the chance to speak first. */
  readonly detectMs: number;
}

/** What observers read of a connection that was passed on. */
export interface RelayedConnection {
  readonly route: TcpRoute;
  readonly peerAddress: string;
  /** SPIFFE ids that were proved by mTLS; empty without. */
  readonly peerIdentity: string;
  readonly upstreamIdentity: string;
  /** `host:port` of the endpoint; empty when none was chosen. */
  readonly endpoint: string;
  /** As a ClientHello that was passed on named it; empty when it named none or was not looked at. */
  readonly serverName: string;
  readonly clientBytes: number;
  readonly serverBytes: number;
  /** Monotonic milliseconds; 0 where a point was not reached. */
  readonly startedMs: number;
  readonly connectedMs: number;
  readonly endedMs: number;
  /** What an access policy decided; null where there is none. */
  readonly access: AccessOutcome | null;
  readonly failure: FailureKind;
  readonly failureDetail: string;
}

export interface ConnectionObserver {
  onOpened(): void;
  onClientBytes(count: number): void;
  onServerBytes(count: number): void;
  /** Once for each that was opened. */
  onClosed(connection: RelayedConnection): void;
}

/** The endpoints of a route, each in turn. */
export class Targets {
  private readonly all: readonly ConnectTarget[];
  private at = 0;

  constructor(all: readonly ConnectTarget[]) {
    this.all = all;
  }

  get none(): boolean {
    return this.all.length === 0;
  }

  /** Null when there is none. */
  next(): ConnectTarget | null {
    if (this.at >= this.all.length) this.at = 0;
    return this.all[this.at++] ?? null;
  }
}
