/**
 * Starts OpenTelemetry tracing for one service: W3C propagation of trace context and baggage, parent-based sampling, OTLP over gRPC.
 *
 * Invariants: context is propagated whether or not an endpoint is configured; spans that cannot be exported are dropped when the bounded
 * queue is full; a collector that is away never delays an exit by more than `telemetryFlushMs`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  BatchSpanProcessor,
  NoopSpanProcessor,
  ParentBasedSampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { ServiceConfig } from './config.ts';
import { LIMITS } from './limits.ts';
import type { Logger } from './log.ts';

export interface Telemetry {
  stop: () => Promise<void>;
}

export function startTelemetry(
  service: string,
  config: ServiceConfig['telemetry'],
  spanProcessors: SpanProcessor[] = [createSpanProcessor(config)],
): Telemetry {
  // Every part is given, also the empty ones: what is left out, the SDK takes from OTEL_* variables.
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: service,
      [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
      // Tells its spans from those of the sidecar in front, which bear the same service name.
      'tulle.component': 'service',
    }),
    autoDetectResources: false,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config?.headSampleRatio ?? 0) }),
    textMapPropagator: new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
    spanProcessors,
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  return {
    stop: async () => {
      const flushed = sdk.shutdown().catch((error: Error) => diag.warn(`last spans lost: ${error.message}`));
      await Promise.race([flushed, sleep(LIMITS.telemetryFlushMs, undefined, { ref: false })]);
    },
  };
}

/** Export failures are the collector's news, not the service's: they are warnings in the service's own log. */
export function logTelemetryErrors(log: Logger): void {
  const warn = (message: string) => log.warn({ component: 'telemetry' }, message);
  const ignore = () => {};
  diag.setLogger(
    { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN },
  );
}

function createSpanProcessor(config: ServiceConfig['telemetry']): SpanProcessor {
  // Without any processor the SDK makes no ids at all, and logs and jobs would have none to carry.
  if (!config) return new NoopSpanProcessor();
  return new BatchSpanProcessor({
    exporter: new OTLPTraceExporter({ url: config.endpoint, timeoutMillis: LIMITS.spanExportMs }),
    maxQueueSize: LIMITS.queuedSpans,
    maxExportBatchSize: LIMITS.spansPerExport,
    scheduledDelayMillis: LIMITS.spanExportDelayMs,
    exportTimeoutMillis: LIMITS.spanExportMs,
  });
}
