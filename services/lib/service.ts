/**
 * The life of a service process: config, telemetry, HTTP, the ready line, drain on SIGTERM or SIGINT.
 *
 * Invariants: stdout holds JSON lines only, and the one with `"event":"ready"` comes once; a drain ends by one deadline; exit code 0 means
 * that every request and job in flight was completed, 1 that the deadline cut something off or that the start failed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { refuseSecretsInEnvironment } from '../../mesh/secrets/environment.ts';
import { ConfigError, loadConfig, refuse, resolveBeside, type ServiceConfig } from './config.ts';
import { createHttpServer, type HttpServer, type ReadinessCheck } from './http-server.ts';
import { LIMITS } from './limits.ts';
import { createLog, type Logger } from './log.ts';
import { ServiceMetrics } from './metrics.ts';
import { type Outbound, openOutbound } from './outbound.ts';
import { openServiceSecrets, type WatchSecret } from './service-secrets.ts';
import { logTelemetryErrors, startTelemetry, type Telemetry } from './telemetry.ts';

/** What a service builds itself from. */
export interface ServiceParts<C extends ServiceConfig> {
  config: C;
  configPath: string;
  /** The path of a file that the config names. */
  pathOf: (file: string) => string;
  log: Logger;
  metrics: ServiceMetrics;
  http: HttpServer['app'];
  outbound: Outbound;
  watchSecret: WatchSecret;
  addCheck: (name: string, check: ReadinessCheck) => void;
  /** Work in flight besides requests: called when a drain begins, resolves when none is left. */
  onDrain: (finish: () => Promise<void>) => void;
  /** Connections: called when no work is left. */
  onClose: (close: () => Promise<void>) => void;
}

interface RunningService {
  config: ServiceConfig;
  log: Logger;
  server: HttpServer;
  telemetry: Telemetry;
  finishers: (() => Promise<void>)[];
  closers: (() => Promise<void>)[];
}

export async function runService<S extends z.ZodType<ServiceConfig>>(
  schema: S,
  build: (parts: ServiceParts<z.infer<S>>) => void | Promise<void>,
): Promise<void> {
  try {
    refuseSecretsInEnvironment(process.env);
    const configPath = parseConfigPath(process.argv.slice(2));
    const config: z.infer<S> = loadConfig(configPath, schema);
    await startService(config, configPath, build);
  } catch (error) {
    const text = error instanceof ConfigError ? error.message : (error as Error).stack;
    process.stderr.write(`${text}\n`);
    process.exit(1);
  }
}

async function startService<C extends ServiceConfig>(
  config: C,
  configPath: string,
  build: (parts: ServiceParts<C>) => void | Promise<void>,
): Promise<void> {
  const log = createLog(config.service, config.logLevel);
  const telemetry = startTelemetry(config.service, config.telemetry);
  logTelemetryErrors(log);
  const checks = new Map<string, ReadinessCheck>();
  const metrics = new ServiceMetrics(config.service);
  const server = createHttpServer(log, checks);
  const outbound = openOutbound(config.sidecar?.outbound);
  const secrets = await openServiceSecrets(config, configPath, log);
  checks.set('secrets', secrets.check);
  const running: RunningService = {
    config,
    log,
    server,
    telemetry,
    finishers: [],
    closers: [outbound.close, secrets.close],
  };
  await build({
    config,
    configPath,
    pathOf: (file) => resolveBeside(configPath, file),
    log,
    metrics,
    http: server.app,
    outbound,
    watchSecret: secrets.watch,
    addCheck: (name, check) => checks.set(name, check),
    onDrain: (finish) => running.finishers.push(finish),
    onClose: (close) => running.closers.push(close),
  });
  const port = await server.listen(config.listen);
  const metricsPort = config.metrics && (await metrics.listen(config.metrics.listen));
  await waitForDependencies([...checks.values()]);
  process.once('SIGTERM', () => stopService(running, 'SIGTERM'));
  process.once('SIGINT', () => stopService(running, 'SIGINT'));
  process.stdout.write(`${JSON.stringify({ event: 'ready', port, metricsPort })}\n`);
}

async function stopService(running: RunningService, signal: string): Promise<void> {
  const { config, log } = running;
  log.info({ signal, deadlineMs: config.drainMs }, 'draining');
  const deadline = sleep(config.drainMs, 'deadline', { ref: false });
  const outcome = await Promise.race([drainAndClose(running), deadline]);
  if (outcome === 'deadline') log.error('drain deadline passed; what was in flight is cut off');
  else log.info('drained');
  await running.telemetry.stop();
  process.exit(outcome === 'deadline' ? 1 : 0);
}

async function drainAndClose({ server, finishers, closers, log }: RunningService): Promise<void> {
  await Promise.all([server.drain(), ...finishers.map((finish) => finish())]);
  // Closing may fail when the other side is gone already; nothing is in flight any more, so that is not an error.
  const ignore = (error: Error) => log.debug({ reason: error.message }, 'close');
  await Promise.all([server.close(), ...closers.map((close) => close().catch(ignore))]);
}

/** Gives dependencies a moment, so that a service started beside them is ready at its first request. It does not insist. */
async function waitForDependencies(checks: ReadinessCheck[]): Promise<void> {
  const deadline = performance.now() + LIMITS.startupWaitMs;
  for (const check of checks) {
    while (performance.now() < deadline && !(await holds(check))) await sleep(50);
  }
}

async function holds(check: ReadinessCheck): Promise<boolean> {
  return check().then(
    () => true,
    () => false,
  );
}

function parseConfigPath(args: string[]): string {
  try {
    const { values } = parseArgs({ args, options: { config: { type: 'string' } } });
    if (values.config !== undefined) return values.config;
  } catch (error) {
    throw refuse('command line', (error as Error).message);
  }
  throw refuse('command line', 'needs --config <file.yaml>');
}
