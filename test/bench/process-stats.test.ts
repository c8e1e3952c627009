import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { listProcessTree, readCpuNs, readRssBytes } from './process-stats.ts';

const isLinux = process.platform === 'linux';

test.skipIf(!isLinux)('CPU time grows with work and counts user and system time of all threads', () => {
  const before = readCpuNs([process.pid]);
  const user = process.cpuUsage();
  for (let i = 0; i < 3e7; i++) Math.sqrt(i);
  const used = process.cpuUsage(user);
  const counted = readCpuNs([process.pid]) - before;
  // The counters of a running thread are as old as the last scheduler tick, a few milliseconds.
  expect(Math.abs(counted / 1000 - (used.user + used.system))).toBeLessThan(20_000);
});

test.skipIf(!isLinux)('the tree holds children, and memory is that of a real process', async () => {
  const parent = spawn('sh', ['-c', 'sleep 30 & wait']);
  try {
    let pids: number[] = [];
    while (pids.length < 2) {
      await sleep(5);
      pids = listProcessTree(parent.pid as number);
    }
    expect(pids[0]).toBe(parent.pid);
    expect(readRssBytes(pids)).toBeGreaterThan(100_000);
    for (const pid of pids.slice(1)) process.kill(pid);
  } finally {
    parent.kill();
  }
});
