import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';

const LINES = 3_000;

/** Logs more than a pipe holds, waits until its reader must have stalled it, and leaves as main.ts does. */
const program = `
  import { compileChain } from '${new URL('../core/chain.ts', import.meta.url)}';
  import { systemClock } from '${new URL('../core/clock.ts', import.meta.url)}';
  import { AccessLogFilter } from '${new URL('../filters/access-log/access-log.ts', import.meta.url)}';
  import { travel } from '${new URL('../filters/hand-made-exchange.ts', import.meta.url)}';
  import { AccessLog, lineOrigin } from '${new URL('./access-log.ts', import.meta.url)}';
  import { LineWriter } from '${new URL('./line-writer.ts', import.meta.url)}';
  const writer = new LineWriter(null, { clock: systemClock, report: () => {} });
  const log = new AccessLog(writer.addSource(), systemClock);
  const profile = { name: 'http', direction: 'inbound', service: 'orders', trustsPeer: true, upstreamIdentity: '' };
  const chain = compileChain([new AccessLogFilter(log, lineOrigin(profile))]);
  for (let i = 0; i < ${LINES}; i++) travel({ chain, startedMs: systemClock.monotonicMs() });
  setTimeout(() => {
    process.stderr.write(JSON.stringify({ written: log.lines.written, dropped: log.lines.dropped }));
    process.exit(0);
  }, 300);
`;

test('a reader of stdout that stalls holds up neither the event loop nor the exit', async () => {
  const sidecar = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void sidecar.kill('SIGKILL'));
  // Its stdout is never read.
  let said = '';
  sidecar.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const [status] = await once(sidecar, 'exit');
  expect(status).toBe(0);
  const { written, dropped } = JSON.parse(said);
  expect(dropped).toBeGreaterThan(0);
  expect(written).toBeLessThan(LINES);
});
