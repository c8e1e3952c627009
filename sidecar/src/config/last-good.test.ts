import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hashText } from './load.ts';
import { ConfigError } from './problem.ts';
import { Recorder, WatchedFolder, yaml } from './watch.fixture.ts';

const folder = new WatchedFolder();

describe('the start', () => {
  test('fails with the problems when there is no last good config', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml('soon'));
    const failure = await folder.start(recorder).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as ConfigError).message).toBe(
      `${folder.file}:7:23: spec.timeouts.headMs: must be a number, not "soon"`,
    );
    expect(recorder.applied).toEqual([]);
  });

  test('falls back to the last good config, says so, and takes the file once it is repaired', async () => {
    await writeFile(folder.file, yaml(1));
    await (await folder.start(new Recorder())).close();

    const recorder = new Recorder();
    await writeFile(folder.file, yaml('soon'));
    const configWatch = await folder.start(recorder);
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
      path: join(folder.root, 'access.log'),
    });

    await writeFile(folder.file, yaml(2));
    await recorder.seen('accepted', 1);
    expect(recorder.applied).toEqual([1, 2]);
    expect(configWatch.status()).toMatchObject({ onLastGood: false, accepted: 1, rejected: 1, problems: [] });
  });

  test('falls back when the config is valid but cannot be applied', async () => {
    await writeFile(folder.file, yaml(1));
    await (await folder.start(new Recorder())).close();

    const recorder = new Recorder();
    recorder.gate = async () => {
      recorder.gate = async () => {};
      throw new Error('address in use');
    };
    await writeFile(folder.file, yaml(2));
    const configWatch = await folder.start(recorder);
    expect(recorder.applied).toEqual([1]);
    expect(configWatch.status().lastError).toBe(
      `${folder.file}: is valid, but could not be applied: address in use`,
    );
  });

  test('does not try the same config twice', async () => {
    await writeFile(folder.file, yaml(1));
    await (await folder.start(new Recorder())).close();
    const recorder = new Recorder();
    let attempts = 0;
    recorder.gate = async () => {
      attempts += 1;
      throw new Error('address in use');
    };
    await expect(folder.start(recorder)).rejects.toThrow(/^[^\n]*could not be applied: address in use$/);
    expect(attempts).toBe(1);
  });

  test('fails with both lists when the last good config is broken as well', async () => {
    await mkdir(join(folder.root, 'state'));
    await writeFile(folder.lastGoodPath, yaml('never'));
    await writeFile(folder.file, yaml('soon'));
    await expect(folder.start(new Recorder())).rejects.toThrow(/"soon"\n.*last-good\.yaml:7:23: .*"never"/);
  });
});

describe('the last good config', () => {
  test('is for the owner alone, and leaves no other file behind', async () => {
    await writeFile(folder.file, yaml(1));
    await folder.start(new Recorder());
    expect((await stat(folder.lastGoodPath)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder.root, 'state'))).toEqual(['last-good.yaml']);
  });

  test('replaces a link instead of writing through it', async () => {
    const victim = join(folder.root, 'victim');
    await mkdir(join(folder.root, 'state'));
    await writeFile(victim, 'untouched');
    await symlink(victim, folder.lastGoodPath);
    await writeFile(folder.file, yaml(1));
    await folder.start(new Recorder());
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect(await readFile(folder.lastGoodPath, 'utf8')).toBe(yaml(1));
  });

  test('that cannot be stored is told, and the config is used all the same', async () => {
    const recorder = new Recorder();
    await writeFile(folder.file, yaml(1));
    await writeFile(join(folder.root, 'state'), 'a file where the folder belongs');
    const configWatch = await folder.start(recorder);
    expect(recorder.events.map(({ kind }) => kind)).toEqual(['last-good-not-stored', 'accepted']);
    expect(configWatch.status()).toMatchObject({ accepted: 1, rejected: 0 });
  });

  test('is not kept without a place for it', async () => {
    await writeFile(folder.file, yaml(1));
    await folder.start(new Recorder(), { lastGoodPath: null });
    expect(await readdir(folder.root)).toEqual(['sidecar.yaml']);
  });
});
