// Alertmanager, built from its Go module, since Debian's looks for its templates where only an installed package has them; amtool from Debian's package, so
// that both an old version and a newer one have to take what we write.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findGoTool } from './go-tools.ts';
import { findInDebian } from './install.ts';
import { startOnFreePort, startPart } from './part.ts';

export interface Alertmanager {
  port: number;
  address: string;
  /** As Prometheus does. */
  post: (alerts: readonly PostedAlert[]) => Promise<void>;
  stop: () => Promise<void>;
}

export interface PostedAlert {
  labels: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  /** In the past for one that is over. */
  endsAt?: string;
}

const PACKAGE = 'prometheus-alertmanager';

export function startAlertmanager(config: object): Promise<Alertmanager> {
  return startOnFreePort(async (port) => {
    const command = await findGoTool('alertmanager');
    const address = `127.0.0.1:${port}`;
    const part = await startPart({
      name: 'alertmanager',
      command,
      args: [
        '--config.file=alertmanager.json',
        '--storage.path=data',
        '--cluster.listen-address=',
        `--web.listen-address=${address}`,
      ],
      files: { 'alertmanager.json': JSON.stringify(config) },
      isReady: async () => (await fetch(`http://${address}/-/ready`)).ok,
    });
    return {
      port,
      address,
      stop: part.stop,
      async post(alerts) {
        const response = await fetch(`http://${address}/api/v2/alerts`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(alerts),
        });
        if (!response.ok) throw new Error(`Alertmanager: ${await response.text()}`);
      },
    };
  });
}

/** With the config as a file, which stands for `CONFIG` in the arguments. What it says, errors too. */
export async function runAmtool(config: object, args: readonly string[]): Promise<string> {
  const { command, env } = await findInDebian({ part: 'amtool', package: PACKAGE, program: 'amtool' });
  const folder = await mkdtemp(join(tmpdir(), 'tulle-amtool-'));
  try {
    const file = join(folder, 'alertmanager.json');
    await writeFile(file, JSON.stringify(config));
    const given = args.map((arg) => (arg === 'CONFIG' ? file : arg));
    const running = promisify(execFile)(command, given, { env: { ...process.env, ...env } });
    const { stdout, stderr } = await running.catch((error: { stdout: string; stderr: string }) => error);
    return `${stdout}${stderr}`.trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
