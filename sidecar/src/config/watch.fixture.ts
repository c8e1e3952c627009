/**
 * A config watch over real files in a folder of its own, and a recorder of what it does. Nothing here waits for time to pass.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { systemClock } from '../core/clock.ts';
import type { SidecarConfig } from './schema.ts';
import type { ConfigEvent, ConfigWatch, ConfigWatchOptions } from './watch.ts';
import { startConfigWatch } from './watch.ts';

/** A fresh folder for each test of the file; watches that a test started are closed after it. */
export class WatchedFolder {
  root = '';
  file = '';
  lastGoodPath = '';
  readonly #open: ConfigWatch[] = [];

  constructor() {
    beforeEach(async () => {
      this.root = await mkdtemp(join(tmpdir(), 'tulle-watch-'));
      this.file = join(this.root, 'sidecar.yaml');
      this.lastGoodPath = join(this.root, 'state', 'last-good.yaml');
    });
    afterEach(async () => {
      for (const configWatch of this.#open.splice(0)) await configWatch.close();
      await rm(this.root, { recursive: true });
    });
  }

  async start(recorder: Recorder, changes: Partial<ConfigWatchOptions> = {}): Promise<ConfigWatch> {
    const configWatch = await startConfigWatch({
      path: this.file,
      lastGoodPath: this.lastGoodPath,
      clock: systemClock,
      apply: (config) => recorder.apply(config),
      report: (event) => recorder.report(event),
      ...changes,
    });
    this.#open.push(configWatch);
    return configWatch;
  }
}

/** A config whose timeout tells one version from another. */
export function yaml(headMs: number | string, admin = '127.0.0.1:0'): string {
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
export class Recorder {
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
