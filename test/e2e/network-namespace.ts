// Network namespaces of their own for tests of what the kernel does to connections: nothing here touches the machine's network.
//
// Invariants: a namespace lives as long as the process that holds it, and goes with everything in it; who starts something in it, stops it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findDebianTool } from '../parts/debian-tools.ts';
import { findOnPath } from '../parts/install.ts';

const run = promisify(execFile);

/** What has to be there, with what it comes in. */
const NEEDED = { unshare: 'util-linux', nsenter: 'util-linux', ip: 'iproute2' };

export class NetworkNamespace {
  private readonly holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.holder = holder;
  }

  static async open(): Promise<NetworkNamespace> {
    for (const [program, source] of Object.entries(NEEDED)) {
      if ((await findOnPath(program)) === null) throw new Error(`${program} is missing: install ${source}`);
    }
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    holder.stderr.on('data', (text) => {
      complaint += text;
    });
    const own = await readlink('/proc/self/ns/net');
    // The namespace is there as soon as it is another one than ours.
    for (;;) {
      if (holder.exitCode !== null) {
        throw new Error(
          `this machine makes no network namespaces, which need CAP_SYS_ADMIN and a kernel with them: ${complaint.trim()}`,
        );
      }
      const theirs = await readlink(`/proc/${holder.pid}/ns/net`).catch(() => own);
      if (theirs !== own) return new NetworkNamespace(holder);
      await sleep(5);
    }
  }

  /** The holder's process id, by which `ip` knows the namespace. */
  get id(): string {
    return String(this.holder.pid);
  }

  async run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
    await run('nsenter', [...this.entry(), command, ...args], { env: { ...process.env, ...env } });
  }

  /** The arguments of `ip`, as one writes them. */
  ip(text: string): Promise<void> {
    return this.run('ip', text.split(' '));
  }

  /** The arguments of `iptables`, as one writes them. */
  async iptables(family: 4 | 6, text: string): Promise<void> {
    const { command, env } = await findDebianTool(family === 4 ? 'iptables-nft' : 'ip6tables-nft');
    // Unpacked, but not installed: its extensions lie beside its libraries.
    const extensions =
      env.LD_LIBRARY_PATH === undefined ? {} : { XTABLES_LIBDIR: `${env.LD_LIBRARY_PATH}/xtables` };
    await this.run(command, ['-w', ...text.split(' ')], { ...env, ...extensions });
  }

  /** A Node program in the namespace; `group` is by which iptables tells its connections. */
  spawnNode(program: string, args: readonly string[], group = 0): ChildProcess {
    const entry = [...this.entry(), '--setgid', String(group)];
    return spawn('nsenter', [...entry, process.execPath, program, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }

  async close(): Promise<void> {
    this.holder.kill('SIGKILL');
    if (this.holder.exitCode === null && this.holder.signalCode === null) await once(this.holder, 'exit');
  }

  private entry(): string[] {
    return [`--net=/proc/${this.holder.pid}/ns/net`];
  }
}

/** Connects two namespaces by a cable: `a` gets 10.0.0.2 and fd00::2 and sends what it does not know to `b`, 10.0.0.1 and fd00::1. */
export async function connectNamespaces(a: NetworkNamespace, b: NetworkNamespace): Promise<void> {
  for (const [namespace, host] of [
    [a, 2],
    [b, 1],
  ] as const) {
    if (namespace === a) await a.ip(`link add eth0 type veth peer name eth0 netns ${b.id}`);
    await namespace.ip(`address add 10.0.0.${host}/24 dev eth0`);
    await namespace.ip(`address add fd00::${host}/64 dev eth0 nodad`);
    await namespace.ip('link set lo up');
    await namespace.ip('link set eth0 up');
  }
  await a.ip('route add default via 10.0.0.1');
  await a.ip('-6 route add default via fd00::1');
}
