/**
 * The sidecar as a process: `node main.ts --config sidecar.yaml`.
 *
 * Prints one JSON line with its ports when it is ready. SIGHUP reloads the config, SIGTERM and SIGINT drain; exit status 0 after a
 * drain, 1 when it can't start, 2 for wrong arguments. With `--check` it starts nothing and says what is wrong with the config, and what
 * of it has no effect, and how many series its metrics can have; exit status 1 when it would be refused.
 */
import { parseArgs } from 'node:util';
import { startSidecar } from './app.ts';
import { loadConfig } from './config/load.ts';
import { ConfigError, formatProblem } from './config/problem.ts';
import { describeForecast } from './observe/forecast-text.ts';
import { report } from './report.ts';

const USAGE = 'usage: node main.ts --config FILE|FOLDER [--last-good FILE | --check]';

const { check, ...options } = readArguments();
if (check) await checkConfig(options.configPath);
else await start();

async function start(): Promise<void> {
  try {
    const sidecar = await startSidecar(options);
    process.on('SIGHUP', () => void sidecar.reload());
    const stop = (): void => void sidecar.drain().then(() => process.exit(0));
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    const ports = {
      admin: sidecar.adminPort,
      inbound: sidecar.inboundPorts,
      inboundCapture: sidecar.inboundCapturePort,
      outbound: sidecar.outboundPort,
      outboundCapture: sidecar.outboundCapturePort,
      services: sidecar.servicePorts,
    };
    process.stdout.write(`${JSON.stringify({ event: 'ready', ...ports })}\n`);
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else report('start_failed', { reason: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

async function checkConfig(path: string): Promise<void> {
  const result = await loadConfig(path);
  const lines = result.ok
    ? [
        ...result.warnings.map((warning) => `warning: ${formatProblem(warning)}`),
        ...describeForecast(result.config),
        `${path}: accepted`,
      ]
    : [...result.problems.map(formatProblem), `${path}: refused`];
  process.stdout.write(`${lines.join('\n')}\n`);
  process.exitCode = result.ok ? 0 : 1;
}

function readArguments(): { configPath: string; lastGoodPath: string | null; check: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string' },
        'last-good': { type: 'string' },
        check: { type: 'boolean', default: false },
      },
    });
    const { config, check, 'last-good': lastGoodPath = null } = values;
    if (config !== undefined && !(check && lastGoodPath !== null)) {
      return { configPath: config, lastGoodPath, check };
    }
    process.stderr.write(`${USAGE}\n`);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
  }
  process.exit(2);
}
