// A real sidecar before a data store, and what it tells about the commands that pass.
import { type OtlpReceiver, startOtlpReceiver } from '../../examples/demo/otlp-receiver.ts';
import type { Span } from '../../mesh/cli/trace/span.ts';
import type { Sidecar } from '../../sidecar/src/app.ts';
import { createFolder } from '../e2e/mesh-fixture.ts';
import { createMesh } from '../e2e/tcp-fixture.ts';

export interface Observed {
  /** Where clients connect. */
  readonly port: number;
  readonly spans: readonly Span[];
  /** Drains the sidecar, so that all spans are there. */
  drain(): Promise<void>;
  /** Samples of a metric, by their labels. */
  samples(name: string): Promise<Sample[]>;
  close(): Promise<void>;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export async function observe(
  protocol: 'redis' | 'mongo' | 'kafka',
  targetPort: number,
  headSampleRatio = 1,
  keyPrefixes: 'on' | 'off' = 'off',
): Promise<Observed> {
  const folder = await createFolder();
  const mesh = createMesh(folder);
  const spans: Span[] = [];
  let receiver: OtlpReceiver | null = null;
  let sidecar: Sidecar | null = null;
  const close = async () => {
    await mesh.close();
    await receiver?.close();
    await folder.remove();
  };
  try {
    receiver = await startOtlpReceiver((batch) => spans.push(...batch));
    sidecar = await mesh.sidecar('shop', {
      outbound: {
        listen: '127.0.0.1:0',
        services: [
          {
            host: 'store',
            mtls: 'off',
            protocol,
            listen: '127.0.0.1:0',
            endpoints: [`127.0.0.1:${targetPort}`],
          },
        ],
      },
      timeouts: { drainMs: 200 },
      telemetry: {
        accessLog: 'off',
        keyPrefixes,
        traces: { endpoint: `http://127.0.0.1:${receiver.port}`, headSampleRatio },
      },
    });
  } catch (error) {
    await close();
    throw error;
  }
  const { adminPort, servicePorts } = sidecar;
  return {
    port: servicePorts.store as number,
    spans,
    drain: () => mesh.close(),
    samples: async (name) => parse(await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text(), name),
    close,
  };
}

const SAMPLE = /^([a-z_]+)\{(.*)\} (\S+)$/;

function parse(text: string, name: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, sample, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (sample !== name) return [];
    const pairs = [...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key, text]) => [key, text]);
    return [{ labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** How many commands were counted, by operation, target and error. */
export async function counts(observed: Observed, metric: string): Promise<Record<string, number>> {
  const samples = await observed.samples(`${metric}_count`);
  return Object.fromEntries(
    samples.map(({ labels, value }) => {
      const parts = [
        labels.db_operation_name ?? labels.messaging_operation_name,
        labels.db_collection_name ?? labels.messaging_destination_name ?? labels.redis_key_prefix,
        labels.blocking === 'true' ? 'blocking' : undefined,
        labels.error_type === undefined ? undefined : `!${labels.error_type}`,
      ];
      return [parts.filter((part) => part !== undefined).join(' '), value];
    }),
  );
}

/** Of the connections to the store, those whose parser turned itself off. */
export async function desyncs(observed: Observed): Promise<string[]> {
  const samples = await observed.samples('tulle_datastore_desync_total');
  return samples.filter(({ value }) => value > 0).map(({ labels }) => labels.reason ?? '');
}
