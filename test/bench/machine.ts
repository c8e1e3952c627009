// The machine and the versions a report was made with, without anything that names the machine itself.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { findDebianTool } from '../parts/debian-tools.ts';
import { ENVOY_VERSION } from '../parts/envoy.ts';

const run = promisify(execFile);

export async function describeMachine(): Promise<string[]> {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  const kernel = release().split('.').slice(0, 2).join('.');
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  const cpuInfo = await readFile('/proc/cpuinfo', 'utf8');
  const isVirtual = /^flags.*\bhypervisor\b/m.test(cpuInfo) ? ', virtual machine' : '';
  const [haproxy, nginx, wrk, h2load] = await Promise.all([
    versionOf('haproxy', '-v'),
    versionOf('nginx', '-v'),
    versionOf('wrk', '-v'),
    versionOf('h2load', '--version'),
  ]);
  return [
    `${model}, ${cpus().length} cores, ${memoryGib} GiB${isVirtual}, Linux ${kernel}`,
    `Node ${process.versions.node}, Envoy ${ENVOY_VERSION}, HAProxy ${haproxy}, nginx ${nginx}, wrk ${wrk}, h2load ${h2load}`,
  ];
}

/** The first thing that looks like a version in what the tool says about itself; wrk exits with 1 after saying it. */
async function versionOf(tool: 'haproxy' | 'nginx' | 'wrk' | 'h2load', flag: string): Promise<string> {
  const { command, env } = await findDebianTool(tool);
  const answer = await run(command, [flag], { env: { ...process.env, ...env } }).catch((error) => error);
  return /\d+\.\d+\.\d+/.exec(`${answer.stdout}${answer.stderr}`)?.[0] ?? 'unknown';
}
