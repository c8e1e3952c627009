/**
 * All that has to do with spans: where they lie, what keeps them, and how they leave. Absent where traces are off.
 *
 * Invariant: `close` ends every connection and timer; `flush` before it is bounded.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Address } from '../config/address.ts';
import type { TracesConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { appSpan } from './explain/found-span.ts';
import { SpanMemory } from './explain/span-memory.ts';
import { TraceFinder } from './explain/trace-finder.ts';
import { ForwardedSpans } from './intake/forward.ts';
import { type Intake, startIntake } from './intake/intake.ts';
import type { RawSpan } from './intake/otlp-message.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { OwnSpans } from './otlp.ts';
import { OtlpClient } from './otlp-client.ts';
import type { OwnResource } from './own-span.ts';
import type { RandomWords } from './random-words.ts';
import { keepTraces, type TraceKeeping } from './retention/trace-keeping.ts';
import { TraceStream } from './retention/trace-stream.ts';
import { SpanExport } from './span-export.ts';

export interface TracingDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly words: RandomWords;
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class Tracing {
  readonly keeping: TraceKeeping;
  readonly finder: TraceFinder;
  readonly ownExport: SpanExport;
  /** Null where the service sends no spans here. */
  readonly appExport: SpanExport | null;
  private readonly deps: TracingDeps;
  private readonly intakeAddress: Address | null;
  private intake: Intake | null = null;
  private stream: TraceStream | null = null;

  constructor(traces: TracesConfig, resource: OwnResource, deps: TracingDeps) {
    const { clock, words, report } = deps;
    const { endpoint } = traces;
    this.deps = deps;
    this.intakeAddress = traces.intake;
    this.keeping = keepTraces(traces, { clock, random: () => words.next() });
    const { ring, appSpans } = this.keeping;
    const exportDeps = {
      clock,
      random: deps.random,
      onFailure: (reason: string) => report('span_export_failed', { reason }),
    };
    const memory = new SpanMemory(OBSERVE_LIMITS.rememberedSpans);
    this.finder = new TraceFinder(this.keeping, memory, resource, clock);
    const own = new OwnSpans(ring, resource, {
      clock,
      usualOf: (origin) => this.keeping.retention.usualOf(origin),
      onLeave: (span) => memory.add(span),
    });
    this.ownExport = new SpanExport(own, new OtlpClient(endpoint), exportDeps);
    this.appExport =
      appSpans === null
        ? null
        : new SpanExport(
            new ForwardedSpans(appSpans, (span) => rememberApp(memory, span)),
            new OtlpClient(endpoint),
            exportDeps,
          );
  }

  /** To the control plane, by which sidecars tell each other which traces are kept, and which asks for traces. */
  openControl(control: Address, tlsOptions: () => ConnectionOptions): void {
    const { clock, random, report } = this.deps;
    const find = (id: string) => this.finder.find(id);
    this.stream = new TraceStream(control, this.keeping.retention, {
      clock,
      random,
      tlsOptions,
      report,
      find,
    });
  }

  /** The certificate is another. */
  renewControl(): void {
    this.stream?.renew();
  }

  /** Null where the service sends no spans here; else the port. */
  async openIntake(): Promise<number | null> {
    const { appSpans, retention } = this.keeping;
    if (this.intakeAddress === null || appSpans === null) return null;
    this.intake = await startIntake(this.intakeAddress, appSpans, retention);
    return this.intake.port;
  }

  async flush(timeoutMs: number): Promise<void> {
    await Promise.all([this.ownExport.flush(timeoutMs), this.appExport?.flush(timeoutMs)]);
  }

  close(): void {
    this.intake?.close();
    this.ownExport.close();
    this.appExport?.close();
    this.stream?.close();
    this.keeping.retention.close();
  }
}

/** Bytes that an SDK got wrong are the collector's affair. */
function rememberApp(memory: SpanMemory, span: Pick<RawSpan, 'resource' | 'span'>): void {
  try {
    memory.add(appSpan(span));
  } catch {
    // Only its memory here is lost.
  }
}
