/**
 * Observes the connections of one route that are passed on: what is counted, and at the end a line in the access log and a span.
 *
 * Invariant: log, span and metrics are made from the same connection at the same moment, so that they agree.
 */
import type { AuditLog } from '../filters/audit/audit-log.ts';
import type { ConnectionObserver, RelayedConnection } from '../protocol/tcp/tcp-route.ts';
import type { AccessLog } from './access-log.ts';
import type { ConnectionSeries } from './connection-series.ts';
import type { RandomWords } from './random-words.ts';
import type { Retention } from './retention/retention.ts';
import type { SpanRing } from './spans.ts';

/** Where telemetry goes; what is off is null. */
export interface ConnectionSinks {
  readonly series: ConnectionSeries;
  readonly ring: SpanRing | null;
  readonly retention: Retention | null;
  /** How the route is known in the ring, and at the beginning of its log lines. */
  readonly ringOrigin: number;
  readonly accessLog: AccessLog | null;
  readonly audit: AuditLog;
  readonly logOrigin: Buffer;
  readonly random: RandomWords;
  readonly headSampleRatio: number;
}

/** Ids of the trace that a connection is: nothing in it names another. */
export interface ConnectionTrace {
  readonly traceId: readonly [number, number, number, number];
  readonly spanId: readonly [number, number];
  readonly sampled: boolean;
}

export class ConnectionWatch implements ConnectionObserver {
  private readonly sinks: ConnectionSinks;

  constructor(sinks: ConnectionSinks) {
    this.sinks = sinks;
  }

  onOpened(): void {
    this.sinks.series.onOpened();
  }

  onClientBytes(count: number): void {
    this.sinks.series.clientBytes += count;
  }

  onServerBytes(count: number): void {
    this.sinks.series.serverBytes += count;
  }

  onClosed(connection: RelayedConnection): void {
    const { series, ring, retention, ringOrigin, accessLog, audit, logOrigin } = this.sinks;
    series.onClosed(connection);
    const trace = ring === null ? null : this.beginTrace();
    if (ring !== null && trace !== null) {
      const wanted =
        trace.sampled || (retention?.takesConnection(connection.failure, connection.endedMs) ?? false);
      ring.recordConnection(connection, trace, wanted, ringOrigin);
    }
    accessLog?.appendConnection(connection, trace, logOrigin);
    audit.appendConnection(connection, trace, logOrigin);
  }

  private beginTrace(): ConnectionTrace {
    const { random, headSampleRatio } = this.sinks;
    const last = random.next();
    return {
      traceId: [random.next(), random.next(), random.next(), last],
      // A span id of zeros is invalid.
      spanId: [random.next(), random.next() | 1],
      sampled: last >>> 0 < headSampleRatio * 0x1_0000_0000,
    };
  }
}
