import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../core/clock.ts';
import { hashText } from './load.ts';
import { ConfigError, formatProblem } from './problem.ts';
import type { SidecarConfig } from './schema.ts';
import type { ConfigEvent, ConfigWatch } from './watch.ts';
import { startConfigWatch } from './watch.ts';

let root = '';
let file = '';
let lastGoodPath = '';
const open: ConfigWatch[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tulle-watch-'));
  file = join(root, 'sidecar.yaml');
  lastGoodPath = join(root, 'state', 'last-good.yaml');
});

afterEach(async () => {
  for (const configWatch of open.splice(0)) await configWatch.close();
  await rm(root, { recursive: true });
});

/** A config whose timeout tells one version from another. */
function yaml(headMs: number | string, admin = '127.0.0.1:0'): string {
  return [
    'apiVersion: mesh.tulle.dev/v1alpha1',
    'kind: Sidecar',
    'metadata: { name: a }',
    'spec:',
    '  service: a',
    `  admin: { listen: ${admin} }`,
    `  timeouts: { headMs: ${headMs} }`,
    '  telemetry: { accessLog: ./access.log }',
    '',
  ].join('\n');
}

/** Records what the watch does, and lets a test wait for it instead of for time to pass. */
class Recorder {
  readonly applied: number[] = [];
  readonly configs: SidecarConfig[] = [];
  readonly events: ConfigEvent[] = [];
  readonly #waiting: { readonly done: () => boolean; readonly resolve: () => void }[] = [];
  /** What `apply` waits for, and may fail by. */
  gate: () => Promise<void> = async () => {};

  async apply(config: SidecarConfig): Promise<void> {
    await this.gate();
    this.applied.push(config.timeouts.headMs);
    this.configs.push(config);
  }

  report(event: ConfigEvent): void {
    this.events.push(event);
    for (const { done, resolve } of this.#waiting) if (done()) resolve();
  }

  /** Resolves when so many events of the kind were reported. */
  seen(kind: ConfigEvent['kind'], count: number): Promise<void> {
    const done = () => this.count(kind) >= count;
    return new Promise((resolve) => (done() ? resolve() : this.#waiting.push({ done, resolve })));
  }

  count(kind: ConfigEvent['kind']): number {
    return this.events.filter((event) => event.kind === kind).length;
  }
}

async function start(
  recorder: Recorder,
  options: { path?: string; clock?: Clock; lastGood?: string | null } = {},
) {
  const configWatch = await startConfigWatch({
    path: options.path ?? file,
    lastGoodPath: options.lastGood === undefined ? lastGoodPath : options.lastGood,
    clock: options.clock ?? systemClock,
    apply: (config) => recorder.apply(config),
    report: (event) => recorder.report(event),
  });
  open.push(configWatch);
  return configWatch;
}

describe('a change of the file', () => {
  test('written in place is applied', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    await writeFile(file, yaml(2));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 2]);
    expect(configWatch.status()).toMatchObject({
      version: hashText(yaml(2)),
      accepted: 2,
      rejected: 0,
      problems: [],
      lastError: null,
      onLastGood: false,
    });
  });

  test('replaced by a rename, as editors do, is applied each time', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    await start(recorder);
    for (const headMs of [2, 3]) {
      await writeFile(`${file}.swp`, yaml(headMs));
      await rename(`${file}.swp`, file);
      await recorder.seen('accepted', headMs);
    }
    expect(recorder.applied).toEqual([1, 2, 3]);
  });

  test('by the link swap of a Kubernetes ConfigMap is applied each time', async () => {
    const recorder = new Recorder();
    const swapTo = async (generation: number): Promise<void> => {
      const folder = `..${generation}`;
      await mkdir(join(root, folder));
      await writeFile(join(root, folder, 'sidecar.yaml'), yaml(generation));
      await symlink(folder, join(root, '..data_tmp'));
      await rename(join(root, '..data_tmp'), join(root, '..data'));
      await rm(join(root, `..${generation - 1}`), { recursive: true, force: true });
    };
    await swapTo(1);
    await symlink(join('..data', 'sidecar.yaml'), file);
    await start(recorder);
    await swapTo(2);
    await recorder.seen('accepted', 2);
    await swapTo(3);
    await recorder.seen('accepted', 3);
    expect(recorder.applied).toEqual([1, 2, 3]);
  });

  test('further up the path than events reach is found by the poll', async () => {
    const recorder = new Recorder();
    // Same clock, but the slow poll comes around at once.
    const clock: Clock = {
      ...systemClock,
      setTimer: (fn, delayMs) => systemClock.setTimer(fn, delayMs > 1000 ? 20 : delayMs),
    };
    for (const release of [1, 2]) {
      await mkdir(join(root, `release-${release}`));
      await writeFile(join(root, `release-${release}`, 'sidecar.yaml'), yaml(release));
    }
    await symlink('release-1', join(root, 'current'));
    await start(recorder, { path: join(root, 'current', 'sidecar.yaml'), clock });
    await symlink('release-2', join(root, 'next'));
    await rename(join(root, 'next'), join(root, 'current'));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('in a hurry is applied in its last state, not in each one on the way', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    await start(recorder);
    for (let headMs = 2; headMs <= 40; headMs++) await writeFile(file, yaml(headMs));
    while (recorder.applied.at(-1) !== 40) await recorder.seen('accepted', recorder.count('accepted') + 1);
    expect(recorder.count('rejected')).toBe(0);
    expect(recorder.applied.length).toBeLessThan(40);
  });

  test('that breaks it leaves the config before running, and the repaired file is applied', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);

    await writeFile(file, yaml('soon'));
    await recorder.seen('rejected', 1);
    expect(recorder.applied).toEqual([1]);
    expect(configWatch.status()).toMatchObject({ version: hashText(yaml(1)), accepted: 1, rejected: 1 });
    expect(configWatch.status().config.timeouts.headMs).toBe(1);
    expect(configWatch.status().lastError).toBe(
      `${file}:7:23: spec.timeouts.headMs: must be a number, not "soon"`,
    );
    expect(await readFile(lastGoodPath, 'utf8')).toBe(yaml(1));

    await writeFile(file, yaml(3));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 3]);
    expect(configWatch.status()).toMatchObject({ accepted: 2, rejected: 1, problems: [], lastError: null });
    expect(await readFile(lastGoodPath, 'utf8')).toBe(yaml(3));
  });

  test('back to what runs ends the refusal', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    await writeFile(file, yaml('soon'));
    await recorder.seen('rejected', 1);
    await writeFile(file, yaml(1));
    await recorder.seen('accepted', 2);
    expect(configWatch.status()).toMatchObject({ version: hashText(yaml(1)), problems: [], lastError: null });
  });

  test('that leaves the content alone does nothing, for a good file or a refused one', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    await start(recorder);
    await utimes(file, 1, 1);
    await writeFile(file, yaml('soon'));
    await recorder.seen('rejected', 1);
    await utimes(file, 2, 2);
    // Long enough for the touched file to be looked at; a second refusal would be reported before what follows.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await writeFile(file, yaml(2));
    await recorder.seen('accepted', 2);
    expect(recorder.count('rejected')).toBe(1);
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('that removes the file is refused, and its return is noticed', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    await rm(file);
    await recorder.seen('rejected', 1);
    expect(configWatch.status().lastError).toContain('does not exist');
    await writeFile(file, yaml(2));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('to what takes a restart is refused with place and reason', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    await writeFile(file, yaml(2, '127.0.0.1:9901'));
    await recorder.seen('rejected', 1);
    expect(recorder.applied).toEqual([1]);
    expect(configWatch.status().problems.map(formatProblem)).toEqual([
      `${file}:6:20: spec.admin.listen: cannot change from "127.0.0.1:0" to "127.0.0.1:9901" while the sidecar runs; restart the sidecar to use it, or put the old setting back`,
    ]);
  });

  test('after the close does nothing', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    await configWatch.close();
    await writeFile(file, yaml(2));
    expect(await configWatch.reload()).toEqual({ kind: 'unchanged', version: hashText(yaml(1)) });
    expect(recorder.applied).toEqual([1]);
  });
});

describe('reload', () => {
  test('reads the file at once and says what came of it', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    expect(await configWatch.reload()).toEqual({ kind: 'unchanged', version: hashText(yaml(1)) });
    await writeFile(file, yaml(2));
    expect(await configWatch.reload()).toEqual({ kind: 'accepted', version: hashText(yaml(2)) });
    await writeFile(file, yaml('soon'));
    expect(await configWatch.reload()).toMatchObject({ kind: 'rejected', problems: [{ line: 7 }] });
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('tries a refused config again, as what stood in its way may be gone', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    recorder.gate = () => Promise.reject(new Error('no memory'));
    await writeFile(file, yaml(2));
    expect(await configWatch.reload()).toMatchObject({
      kind: 'rejected',
      problems: [{ message: 'is valid, but could not be applied: no memory' }],
    });
    expect(configWatch.status()).toMatchObject({ version: hashText(yaml(1)), rejected: 1 });
    expect(await readFile(lastGoodPath, 'utf8')).toBe(yaml(1));

    recorder.gate = async () => {};
    expect(await configWatch.reload()).toEqual({ kind: 'accepted', version: hashText(yaml(2)) });
  });

  test('never overlaps another, and those that wait share one attempt', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    const configWatch = await start(recorder);
    let running = 0;
    let attempts = 0;
    let release = (): void => {};
    recorder.gate = async () => {
      attempts += 1;
      running += 1;
      expect(running).toBe(1);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      running -= 1;
    };

    await writeFile(file, yaml(2));
    const first = configWatch.reload();
    while (attempts < 1) await new Promise(setImmediate);
    await writeFile(file, yaml(3));
    const waiting = Array.from({ length: 20 }, () => configWatch.reload());
    release();
    expect(await first).toMatchObject({ kind: 'accepted' });
    while (attempts < 2) await new Promise(setImmediate);
    release();
    for (const outcome of await Promise.all(waiting)) {
      expect(outcome).toEqual({ kind: 'accepted', version: hashText(yaml(3)) });
    }
    expect(recorder.applied).toEqual([1, 2, 3]);
  });
});

describe('the start', () => {
  test('fails with the problems when there is no last good config', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml('soon'));
    const failure = await start(recorder).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as ConfigError).message).toBe(
      `${file}:7:23: spec.timeouts.headMs: must be a number, not "soon"`,
    );
    expect(recorder.applied).toEqual([]);
  });

  test('falls back to the last good config, says so, and takes the file once it is repaired', async () => {
    await writeFile(file, yaml(1));
    await (await start(new Recorder())).close();

    const recorder = new Recorder();
    await writeFile(file, yaml('soon'));
    const configWatch = await start(recorder);
    expect(recorder.events).toMatchObject([
      {
        kind: 'fell-back',
        running: hashText(yaml(1)),
        problems: [{ path: 'spec.timeouts.headMs', line: 7 }],
      },
    ]);
    expect(configWatch.status()).toMatchObject({ onLastGood: true, accepted: 0, rejected: 1 });
    // A relative path means the same in the copy, though the copy lies elsewhere.
    expect(recorder.configs[0]?.telemetry.accessLog).toEqual({
      kind: 'file',
      path: join(root, 'access.log'),
    });

    await writeFile(file, yaml(2));
    await recorder.seen('accepted', 1);
    expect(recorder.applied).toEqual([1, 2]);
    expect(configWatch.status()).toMatchObject({ onLastGood: false, accepted: 1, rejected: 1, problems: [] });
  });

  test('falls back when the config is valid but cannot be applied', async () => {
    await writeFile(file, yaml(1));
    await (await start(new Recorder())).close();

    const recorder = new Recorder();
    recorder.gate = async () => {
      recorder.gate = async () => {};
      throw new Error('address in use');
    };
    await writeFile(file, yaml(2));
    const configWatch = await start(recorder);
    expect(recorder.applied).toEqual([1]);
    expect(configWatch.status().lastError).toBe(
      `${file}: is valid, but could not be applied: address in use`,
    );
  });

  test('does not try the same config twice', async () => {
    await writeFile(file, yaml(1));
    await (await start(new Recorder())).close();
    const recorder = new Recorder();
    let attempts = 0;
    recorder.gate = async () => {
      attempts += 1;
      throw new Error('address in use');
    };
    await expect(start(recorder)).rejects.toThrow(/^[^\n]*could not be applied: address in use$/);
    expect(attempts).toBe(1);
  });

  test('fails with both lists when the last good config is broken as well', async () => {
    await mkdir(join(root, 'state'));
    await writeFile(lastGoodPath, yaml('never'));
    await writeFile(file, yaml('soon'));
    await expect(start(new Recorder())).rejects.toThrow(/"soon"\n.*last-good\.yaml:7:23: .*"never"/);
  });
});

describe('the last good config', () => {
  test('is for the owner alone, and leaves no other file behind', async () => {
    await writeFile(file, yaml(1));
    await start(new Recorder());
    expect((await stat(lastGoodPath)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(root, 'state'))).toEqual(['last-good.yaml']);
  });

  test('replaces a link instead of writing through it', async () => {
    const victim = join(root, 'victim');
    await mkdir(join(root, 'state'));
    await writeFile(victim, 'untouched');
    await symlink(victim, lastGoodPath);
    await writeFile(file, yaml(1));
    await start(new Recorder());
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect(await readFile(lastGoodPath, 'utf8')).toBe(yaml(1));
  });

  test('that cannot be stored is told, and the config is used all the same', async () => {
    const recorder = new Recorder();
    await writeFile(file, yaml(1));
    await writeFile(join(root, 'state'), 'a file where the folder belongs');
    const configWatch = await start(recorder);
    expect(recorder.events.map(({ kind }) => kind)).toEqual(['last-good-not-stored', 'accepted']);
    expect(configWatch.status()).toMatchObject({ accepted: 1, rejected: 0 });
  });

  test('is not kept without a place for it', async () => {
    await writeFile(file, yaml(1));
    await start(new Recorder(), { lastGood: null });
    expect(await readdir(root)).toEqual(['sidecar.yaml']);
  });
});
