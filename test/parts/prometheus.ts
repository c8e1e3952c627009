// Prometheus and promtool, from PATH or from Debian's package, which is unpacked and not installed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findInDebian } from './install.ts';
import { startOnFreePort, startPart } from './part.ts';

export interface Prometheus {
  port: number;
  /** A query of its HTTP API, by path below `/api/v1/`; the `data` of the answer. */
  query: (path: string, parameters: Record<string, string>) => Promise<unknown>;
  stop: () => Promise<void>;
}

export interface ScrapeJob {
  readonly job: string;
  readonly targets: readonly ScrapeTarget[];
}

export interface ScrapeTarget {
  readonly address: string;
  /** On all that it says, as Kubernetes' discovery puts them there. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface PrometheusOptions {
  /** Files of rules, by name: JSON or YAML. */
  readonly rules?: Readonly<Record<string, string>>;
  /** Addresses of Alertmanagers. */
  readonly alertmanagers?: readonly string[];
  /** Whether it asks for native histograms. */
  readonly nativeHistograms?: boolean;
}

const PACKAGE = 'prometheus';

/** Scrapes each address once a second, and evaluates rules as often. */
export function startPrometheus(
  jobs: readonly ScrapeJob[],
  { rules = {}, alertmanagers = [], nativeHistograms = false }: PrometheusOptions = {},
): Promise<Prometheus> {
  return startOnFreePort(async (port) => {
    const { command, env } = await findInDebian({
      part: 'Prometheus',
      package: PACKAGE,
      program: 'prometheus',
    });
    const address = `127.0.0.1:${port}`;
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: Object.keys(rules),
      alerting: { alertmanagers: [{ static_configs: [{ targets: alertmanagers }] }] },
      scrape_configs: jobs.map(({ job, targets }) => ({
        job_name: job,
        static_configs: targets.map(({ address, labels = {} }) => ({ targets: [address], labels })),
      })),
    };
    const part = await startPart({
      name: 'prometheus',
      command,
      args: [
        '--config.file=prometheus.json',
        '--storage.tsdb.path=data',
        `--enable-feature=exemplar-storage${nativeHistograms ? ',native-histograms' : ''}`,
        `--web.listen-address=${address}`,
      ],
      env,
      files: { ...rules, 'prometheus.json': JSON.stringify(config) },
      isReady: async () => (await fetch(`http://${address}/-/ready`)).ok,
    });
    return {
      port,
      stop: part.stop,
      query: (path, parameters) => askPrometheus(`http://${address}`, path, parameters),
    };
  });
}

/** @throws Error with what a Prometheus has against the query. */
export async function askPrometheus(
  url: string,
  path: string,
  parameters: Record<string, string>,
): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const { status, data, error } = (await response.json()) as {
    status: string;
    data: unknown;
    error?: string;
  };
  if (status !== 'success') throw new Error(`Prometheus: ${error}`);
  return data;
}

/** What `promtool check metrics` says about an exposition; empty when it has nothing to say. */
export async function checkMetrics(exposition: string): Promise<string> {
  return (await runPromtool(['check', 'metrics'], exposition)).output;
}

export async function runPromtool(
  args: readonly string[],
  input = '',
): Promise<{ readonly succeeded: boolean; readonly output: string }> {
  const { command, env } = await findInDebian({ part: 'promtool', package: PACKAGE, program: 'promtool' });
  const running = promisify(execFile)(command, args, { env: { ...process.env, ...env } });
  running.child.stdin?.end(input);
  const { stdout, stderr, code } = await running.then(
    (ended) => ({ ...ended, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
  return { succeeded: code === 0, output: `${stdout}${stderr}`.trim() };
}
