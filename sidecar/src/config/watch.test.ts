import { mkdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../core/clock.ts';
import { hashText } from './load.ts';
import { formatProblem } from './problem.ts';
import { Recorder, WatchedFolder, yaml } from './watch.fixture.ts';

const folder = new WatchedFolder();

describe('a change of the file', () => {
  test('written in place is applied', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    await writeFile(folder.file, yaml(2));
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
    await writeFile(folder.file, yaml(1));
    await folder.start(recorder);
    for (const headMs of [2, 3]) {
      await writeFile(`${folder.file}.swp`, yaml(headMs));
      await rename(`${folder.file}.swp`, folder.file);
      await recorder.seen('accepted', headMs);
    }
    expect(recorder.applied).toEqual([1, 2, 3]);
  });

  test('by the link swap of a Kubernetes ConfigMap is applied each time', async () => {
    const recorder = new Recorder();
    const swapTo = async (generation: number): Promise<void> => {
      const target = `..${generation}`;
      await mkdir(join(folder.root, target));
      await writeFile(join(folder.root, target, 'sidecar.yaml'), yaml(generation));
      await symlink(target, join(folder.root, '..data_tmp'));
      await rename(join(folder.root, '..data_tmp'), join(folder.root, '..data'));
      await rm(join(folder.root, `..${generation - 1}`), { recursive: true, force: true });
    };
    await swapTo(1);
    await symlink(join('..data', 'sidecar.yaml'), folder.file);
    await folder.start(recorder);
    await swapTo(2);
    await recorder.seen('accepted', 2);
    await swapTo(3);
    await recorder.seen('accepted', 3);
    expect(recorder.applied).toEqual([1, 2, 3]);
  });

  test('of a folder is applied as one config, which starts from one last good file', async () => {
    const recorder = new Recorder();
    const config = join(folder.root, 'config');
    await mkdir(config);
    await writeFile(join(config, 'a.yaml'), yaml(1));
    const first = await folder.start(recorder, { path: config });
    await writeFile(join(config, 'b.yaml'), fault('a'));
    await recorder.seen('accepted', 2);
    await writeFile(join(config, 'b.yaml'), fault('nobody'));
    await recorder.seen('rejected', 1);
    expect(first.status().lastError).toMatch(
      /b\.yaml:5:39: FaultPolicy slow: spec\.targetRefs\[0\]\.name: names no/,
    );
    await first.close();

    await folder.start(recorder, { path: config });
    expect(recorder.configs.map(({ policies }) => policies.fault.length)).toEqual([0, 1, 1]);
    expect(recorder.configs[2]).toEqual(recorder.configs[1]);
  });

  test('further up the path than events reach is found by the poll', async () => {
    const recorder = new Recorder();
    // Same clock, but the slow poll comes around at once.
    const clock: Clock = {
      ...systemClock,
      setTimer: (fn, delayMs) => systemClock.setTimer(fn, delayMs > 1000 ? 20 : delayMs),
    };
    for (const release of [1, 2]) {
      await mkdir(join(folder.root, `release-${release}`));
      await writeFile(join(folder.root, `release-${release}`, 'sidecar.yaml'), yaml(release));
    }
    await symlink('release-1', join(folder.root, 'current'));
    await folder.start(recorder, { path: join(folder.root, 'current', 'sidecar.yaml'), clock });
    await symlink('release-2', join(folder.root, 'next'));
    await rename(join(folder.root, 'next'), join(folder.root, 'current'));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('in a hurry is applied in its last state, not in each one on the way', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    await folder.start(recorder);
    for (let headMs = 2; headMs <= 40; headMs++) await writeFile(folder.file, yaml(headMs));
    while (recorder.applied.at(-1) !== 40) await recorder.seen('accepted', recorder.count('accepted') + 1);
    expect(recorder.count('rejected')).toBe(0);
    expect(recorder.applied.length).toBeLessThan(40);
  });

  test('that breaks it leaves the config before running, and the repaired file is applied', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);

    await writeFile(folder.file, yaml('soon'));
    await recorder.seen('rejected', 1);
    expect(recorder.applied).toEqual([1]);
    expect(configWatch.status()).toMatchObject({ version: hashText(yaml(1)), accepted: 1, rejected: 1 });
    expect(configWatch.status().config.timeouts.headMs).toBe(1);
    expect(configWatch.status().lastError).toBe(
      `${folder.file}:7:23: spec.timeouts.headMs: must be a number, not "soon"`,
    );
    expect(await readFile(folder.lastGoodPath, 'utf8')).toBe(yaml(1));

    await writeFile(folder.file, yaml(3));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 3]);
    expect(configWatch.status()).toMatchObject({ accepted: 2, rejected: 1, problems: [], lastError: null });
    expect(await readFile(folder.lastGoodPath, 'utf8')).toBe(yaml(3));
  });

  test('back to what runs ends the refusal', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    await writeFile(folder.file, yaml('soon'));
    await recorder.seen('rejected', 1);
    await writeFile(folder.file, yaml(1));
    await recorder.seen('accepted', 2);
    expect(configWatch.status()).toMatchObject({ version: hashText(yaml(1)), problems: [], lastError: null });
  });

  test('that leaves the content alone does nothing, for a good file or a refused one', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    await folder.start(recorder);
    await utimes(folder.file, 1, 1);
    await writeFile(folder.file, yaml('soon'));
    await recorder.seen('rejected', 1);
    await utimes(folder.file, 2, 2);
    // Long enough for the touched file to be looked at; a second refusal would be reported before what follows.
    await new Promise((resolve) => setTimeout(resolve, 400));
    await writeFile(folder.file, yaml(2));
    await recorder.seen('accepted', 2);
    expect(recorder.count('rejected')).toBe(1);
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('that removes the file is refused, and its return is noticed', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    await rm(folder.file);
    await recorder.seen('rejected', 1);
    expect(configWatch.status().lastError).toContain('does not exist');
    await writeFile(folder.file, yaml(2));
    await recorder.seen('accepted', 2);
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('to what takes a restart is refused with place and reason', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    await writeFile(folder.file, yaml(2, '127.0.0.1:9901'));
    await recorder.seen('rejected', 1);
    expect(recorder.applied).toEqual([1]);
    expect(configWatch.status().problems.map(formatProblem)).toEqual([
      `${folder.file}:6:20: spec.admin.listen: cannot change from "127.0.0.1:0" to "127.0.0.1:9901" while the sidecar runs; restart the sidecar to use it, or put the old setting back`,
    ]);
  });

  test('after the close does nothing', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    await configWatch.close();
    await writeFile(folder.file, yaml(2));
    expect(await configWatch.reload()).toEqual({ kind: 'unchanged', version: hashText(yaml(1)) });
    expect(recorder.applied).toEqual([1]);
  });
});

describe('reload', () => {
  test('reads the file at once and says what came of it', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    expect(await configWatch.reload()).toEqual({ kind: 'unchanged', version: hashText(yaml(1)) });
    await writeFile(folder.file, yaml(2));
    expect(await configWatch.reload()).toEqual({ kind: 'accepted', version: hashText(yaml(2)) });
    await writeFile(folder.file, yaml('soon'));
    expect(await configWatch.reload()).toMatchObject({ kind: 'rejected', problems: [{ line: 7 }] });
    expect(recorder.applied).toEqual([1, 2]);
  });

  test('tries a refused config again, as what stood in its way may be gone', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
    recorder.gate = () => Promise.reject(new Error('no memory'));
    await writeFile(folder.file, yaml(2));
    expect(await configWatch.reload()).toMatchObject({
      kind: 'rejected',
      problems: [{ message: 'is valid, but could not be applied: no memory' }],
    });
    expect(configWatch.status()).toMatchObject({ version: hashText(yaml(1)), rejected: 1 });
    expect(await readFile(folder.lastGoodPath, 'utf8')).toBe(yaml(1));

    recorder.gate = async () => {};
    expect(await configWatch.reload()).toEqual({ kind: 'accepted', version: hashText(yaml(2)) });
  });

  test('never overlaps another, and those that wait share one attempt', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    const configWatch = await folder.start(recorder);
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

    await writeFile(folder.file, yaml(2));
    const first = configWatch.reload();
    while (attempts < 1) await new Promise(setImmediate);
    await writeFile(folder.file, yaml(3));
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

function fault(service: string): string {
  return [
    'apiVersion: mesh.tulle.dev/v1alpha1',
    'kind: FaultPolicy',
    'metadata: { name: slow }',
    'spec:',
    `  targetRefs: [{ kind: Service, name: ${service} }]`,
    '  delay: { delayMs: 5 }',
    '',
  ].join('\n');
}
