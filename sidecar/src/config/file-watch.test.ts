import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../core/clock.ts';
import { type FileWatch, identifyFile, watchFile } from './file-watch.ts';

let root = '';
let file = '';
let fileWatch: FileWatch | null = null;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tulle-file-watch-'));
  file = join(root, 'a.yaml');
  await writeFile(file, 'one');
});

afterEach(async () => {
  fileWatch?.close();
  await rm(root, { recursive: true });
});

/** Time passes when the test says so; the files and their events are real. */
function stepClock() {
  const due: { fn: () => void; delayMs: number }[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimer(fn, delayMs) {
      const timer = { fn, delayMs };
      due.push(timer);
      return { cancel: () => due.splice(due.indexOf(timer), 1) };
    },
  };
  /** Lets the next timer of the kind be due, once there is one, and waits for what it does. */
  const pass = async (kind: 'settle' | 'poll'): Promise<void> => {
    for (;;) {
      const index = due.findIndex(({ delayMs }) => delayMs > 1000 === (kind === 'poll'));
      const [timer] = index < 0 ? [] : due.splice(index, 1);
      if (timer !== undefined) {
        // A look is asynchronous, though a clock has no need to know.
        const done: unknown = timer.fn();
        await done;
        return;
      }
      await new Promise(setImmediate);
    }
  };
  return { clock, pass };
}

async function start(clock: Clock, path = file) {
  let changes = 0;
  const polling: string[] = [];
  fileWatch = watchFile({
    path,
    since: await identifyFile(path),
    clock,
    onChange: () => {
      changes += 1;
    },
    onPollingOnly: (reason) => polling.push(reason),
  });
  return { changes: () => changes, polling };
}

test('a file is reported only when it has come to rest', async () => {
  const { clock, pass } = stepClock();
  const watched = await start(clock);
  await writeFile(file, 'half-writ');
  await pass('settle');
  await writeFile(file, 'half-written no more');
  await pass('settle');
  expect(watched.changes()).toBe(0);
  await pass('settle');
  expect(watched.changes()).toBe(1);

  await writeFile(file, 'another');
  await pass('settle');
  expect(watched.changes()).toBe(1);
  await pass('settle');
  expect(watched.changes()).toBe(2);
});

test('a file that never rests is reported all the same', async () => {
  const { clock, pass } = stepClock();
  const watched = await start(clock);
  let looks = 0;
  while (watched.changes() === 0) {
    looks += 1;
    await writeFile(file, 'x'.repeat(looks));
    await pass('settle');
  }
  expect(looks).toBeGreaterThan(5);
  expect(looks).toBeLessThan(100);
});

test('a folder that cannot be watched leaves the poll', async () => {
  const { clock, pass } = stepClock();
  const path = join(root, 'not-yet', 'a.yaml');
  const watched = await start(clock, path);
  expect(watched.polling).toHaveLength(1);
  expect(watched.polling[0]).toContain('ENOENT');

  await mkdir(join(root, 'not-yet'));
  await writeFile(path, 'here');
  await pass('poll');
  await pass('settle');
  await pass('settle');
  expect(watched.changes()).toBe(1);
});

test('of a folder its YAML files count: written, added or removed', async () => {
  const { clock, pass } = stepClock();
  const watched = await start(clock, root);
  const settle = async (): Promise<void> => {
    await pass('settle');
    await pass('settle');
  };
  await writeFile(file, 'two');
  await settle();
  expect(watched.changes()).toBe(1);
  await writeFile(join(root, 'b.yaml'), 'one');
  await settle();
  expect(watched.changes()).toBe(2);
  await rm(file);
  await settle();
  expect(watched.changes()).toBe(3);

  await writeFile(join(root, 'notes.txt'), 'one');
  await pass('settle');
  expect(watched.changes()).toBe(3);
});
