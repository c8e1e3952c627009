// A real OpenTelemetry Collector, built from its Go modules with a main program of ours: OTLP over gRPC in, a file of JSON lines out.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findInGo } from './install.ts';
import { findFreePort, startPart } from './part.ts';

export interface Collector {
  port: number;
  pid: number;
  /** All spans that it has written so far. */
  spans: () => Promise<CollectedSpan[]>;
  stop: () => Promise<void>;
}

/** As far as tests look; ids are hexadecimal. */
export interface CollectedSpan {
  service: string;
  traceId: string;
  name: string;
  attributes: Record<string, string>;
}

const VERSION = 'v0.155.0';

/** On `port`, for one that comes back where it was. */
export async function startCollector(port?: number): Promise<Collector> {
  const command = await findInGo({
    part: 'the OpenTelemetry Collector',
    program: 'otelcol',
    package: '.',
    main: join(import.meta.dirname, 'collector/main.go'),
    modules: [
      `go.opentelemetry.io/collector/otelcol@${VERSION}`,
      `go.opentelemetry.io/collector/receiver/otlpreceiver@${VERSION}`,
      'go.opentelemetry.io/collector/confmap/provider/fileprovider@v1.61.0',
      `github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter@${VERSION}`,
    ],
  });
  const listening = port ?? (await findFreePort());
  const part = await startPart({
    name: 'collector',
    command,
    args: ['--config', 'file:config.yaml'],
    files: { 'config.yaml': JSON.stringify(configOf(listening)) },
    isReady: ({ output }) => output().includes('Everything is ready'),
  });
  return {
    port: listening,
    pid: part.pid,
    spans: async () => readSpans(await readFile(join(part.folder, 'spans.json'), 'utf8')),
    stop: part.stop,
  };
}

function configOf(port: number) {
  return {
    receivers: { otlp: { protocols: { grpc: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { file: { path: 'spans.json', flush_interval: '100ms' } },
    service: {
      pipelines: { traces: { receivers: ['otlp'], exporters: ['file'] } },
      telemetry: { metrics: { level: 'none' } },
    },
  };
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: string; doubleValue?: number };
}

interface Line {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: { traceId: string; name: string; attributes?: Attribute[] }[] }[];
  }[];
}

function readSpans(text: string): CollectedSpan[] {
  // The last line may not be whole yet.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).flatMap((line) =>
    (JSON.parse(line) as Line).resourceSpans.flatMap(({ resource, scopeSpans }) => {
      const service = toRecord(resource.attributes)['service.name'] ?? '';
      return scopeSpans.flatMap(({ spans }) =>
        spans.map(({ traceId, name, attributes }) => ({
          service,
          traceId,
          name,
          attributes: toRecord(attributes ?? []),
        })),
      );
    }),
  );
}

function toRecord(attributes: Attribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      String(value.stringValue ?? value.intValue ?? value.doubleValue),
    ]),
  );
}
