// CPU time and memory of a process with its children, and the CPU time that anybody had of a core, from /proc.
//
// The scheduler's own nanosecond counters (schedstat) are read instead of the 10 ms ticks of /proc/<pid>/stat: at a low
// rate a whole measurement is a few ticks long. Both count user and system time of all threads.
import { readdirSync, readFileSync } from 'node:fs';

const TICK_NS = 10_000_000;

/** The pids of a process and all its descendants. */
export function listProcessTree(pid: number): number[] {
  const pids = [pid];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trim();
    if (children !== '') pids.push(...children.split(' ').flatMap((child) => listProcessTree(Number(child))));
  }
  return pids;
}

export function readCpuNs(pids: number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      sum += Number(stat.slice(0, stat.indexOf(' ')));
    }
  }
  return sum;
}

export function readRssBytes(pids: number[]): number {
  let sum = 0;
  for (const pid of pids) {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    sum += Number(match?.[1] ?? 0) * 1024;
  }
  return sum;
}

/** Nanoseconds since boot, in steps of 10 ms, in which the core did something for anybody, or was kept from us by the hypervisor. */
export function readCoreBusyNs(cpu: number): number {
  const line = new RegExp(`^cpu${cpu} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'));
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = (line?.[1] ?? '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softIrq + steal) * TICK_NS;
}
