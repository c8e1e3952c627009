import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** It ends by itself long before; a machine that has to build Alertmanager first needs some minutes. */
const PATIENCE_MS = 600_000;

type Ended = { readonly code: number; readonly output: string };

function observe(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

test(
  'errors page the right people, who hear of their end',
  async () => {
    const { code, output } = await observe('--fault=errors', '--once');
    expect(code, output).toBe(0);
    const happened = [
      'shortened times',
      'Fault: ',
      'pending  ErrorBudgetBurnsFast (page) service_name=gateway slo=gateway-availability',
      'firing   ErrorBudgetBurnsFast (page) service_name=gateway slo=gateway-availability',
      'told     → platform-pager: gateway misses gateway-availability',
      'The fault is undone.',
      'resolved → platform-pager: incident closed',
      'All of them know that it is over.',
    ].map((words) => output.indexOf(words));
    expect(happened, output).not.toContain(-1);
    expect(happened, output).toEqual(happened.toSorted((a, b) => a - b));
    expect(output).not.toContain('→ mesh-pager');
  },
  PATIENCE_MS,
);

test.each([
  [['--fault=erors'], 'there is no fault "erors"; did you mean "errors"?'],
  [['--once'], '--once needs a --fault, whose end it waits for'],
  [['--fast'], "Unknown option '--fast'"],
])('%s is refused', async (args, problem) => {
  const { code, output } = await observe(...args);
  expect(code).toBe(2);
  expect(output).toContain(problem);
  expect(output).toContain('usage: npm run observe [-- --fault=errors|latency|queue|cert|redis [--once]]');
});
