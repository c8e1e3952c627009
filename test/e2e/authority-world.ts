// An authority and pairs of sidecars as processes, commands to that authority, and a client in this process with an identity of its own.
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { JoinTokens } from '../../mesh/ca/join-tokens.ts';
import { systemClock } from '../../sidecar/src/core/clock.ts';
import { startEnrolment } from '../../sidecar/src/identity/enrolment.ts';
import type { Identity, IdentityEvent } from '../../sidecar/src/identity/identity.ts';
import {
  createFolder,
  type Folder,
  sidecarConfig,
  spiffeId,
  startOrigin,
  TRUST_DOMAIN,
} from './mesh-fixture.ts';
import { AUTHORITY, Processes, SIDECAR } from './process-fixture.ts';

/** The first calls the second. */
const PAIRS = [
  ['north', 'south'],
  ['east', 'west'],
] as const;

export interface Pair {
  readonly service: string;
  /** The service of the front sidecar. */
  readonly caller: string;
  /** Where the front sidecar takes calls to the service, in clear. */
  readonly outbound: number;
  /** Where the back sidecar takes them, with mTLS. */
  readonly inbound: number;
  /** Admin ports of both. */
  readonly admins: readonly number[];
}

export interface World {
  readonly pairs: readonly Pair[];
  readonly client: Identity;
  readonly clientEvents: readonly IdentityEvent[];
  /** A command of `mesh/ca`, as an operator gives it: its file, and its arguments but the config. Settles with what it printed. */
  command(file: string, ...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

const COMMANDS = join(import.meta.dirname, '../../mesh/ca');

export async function startWorld(svidTtlSeconds: number): Promise<World> {
  const folder = await createFolder();
  const origin = await startOrigin();
  const processes = new Processes();
  const clientEvents: IdentityEvent[] = [];
  let client: Identity | null = null;
  const stop = async (): Promise<void> => {
    client?.stop();
    await processes.stop();
    origin.close();
    await folder.remove();
  };
  try {
    const config = await writeAuthority(folder, svidTtlSeconds);
    const { ready } = await processes.start(AUTHORITY, config);
    const url = `https://127.0.0.1:${ready.port}`;
    const rootsFile = join(folder.path, 'ca', 'roots.pem');
    const startSidecar = async (name: string, spec: Record<string, unknown>) => {
      const authority = { url, rootsFile, tokenFile: await writeToken(folder, name) };
      const identity = { trustDomain: TRUST_DOMAIN, authority };
      const file = await folder.write(`${name}.yaml`, sidecarConfig(name, { identity, ...spec }));
      return (await processes.start(SIDECAR, file)).ready;
    };
    const pairs: Pair[] = [];
    for (const [front, back] of PAIRS) {
      const target = `127.0.0.1:${origin.port}`;
      const called = await startSidecar(back, {
        inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'strict', target }],
      });
      const inbound = called.inbound.http as number;
      const service = {
        host: back,
        mtls: 'strict',
        identity: spiffeId(back),
        endpoints: [`127.0.0.1:${inbound}`],
      };
      const caller = await startSidecar(front, { outbound: { listen: '127.0.0.1:0', services: [service] } });
      const admins = [called.admin, caller.admin];
      pairs.push({ service: back, caller: front, outbound: caller.outbound as number, inbound, admins });
    }
    const evidence = { kind: 'join-token', file: await writeToken(folder, 'client') } as const;
    client = await startEnrolment(
      { kind: 'authority', url, rootsFile, evidence, stateDir: null, foreignTrustDomains: [] },
      TRUST_DOMAIN,
      {
        clock: systemClock,
        random: Math.random,
        report: (event) => void clientEvents.push(event),
      },
    );
    const command = (name: string, ...args: string[]) =>
      runCommand(processes, name, '--config', config, ...args);
    return { pairs, client, clientEvents, command, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function writeAuthority(folder: Folder, svidTtlSeconds: number): Promise<string> {
  await folder.write('passphrase', 'long enough for a passphrase', 0o600);
  const config = {
    trustDomain: TRUST_DOMAIN,
    listen: '127.0.0.1:0',
    stateDir: 'ca',
    passphraseFile: 'passphrase',
    svidTtlSeconds,
    trustRefreshSeconds: 1,
  };
  return folder.write('ca.yaml', JSON.stringify(config));
}

async function writeToken(folder: Folder, name: string): Promise<string> {
  const token = await new JoinTokens(join(folder.path, 'ca')).create(spiffeId(name), 60);
  return folder.write(`${name}-token`, token);
}

async function runCommand(processes: Processes, name: string, ...args: string[]): Promise<string> {
  const child = processes.spawn(join(COMMANDS, name), ...args);
  const [[code], errors, output] = await Promise.all([
    once(child, 'exit'),
    text(child.stderr),
    text(child.stdout),
  ]);
  if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${errors}`);
  return output;
}
