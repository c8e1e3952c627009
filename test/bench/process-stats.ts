// CPU time and memory of a process with its children, from /proc.
//
// The scheduler's own nanosecond counters (schedstat) are read instead of the 10 ms ticks of /proc/<pid>/stat: at a low
// rate a whole measurement is a few ticks long. Both count user and system time of all threads.
import { readdirSync, readFileSync } from 'node:fs';

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
