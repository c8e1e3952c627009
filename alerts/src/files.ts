/**
 * Every file of alerts/dist, from the data beside it.
 */
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { z } from 'zod';
import { loadServiceLevels } from '../../sidecar/src/config/load.ts';
import { url } from '../../sidecar/src/config/values.ts';
import { toAlertmanagerConfig } from './alertmanager.ts';
import { type ControlLimits, controlAlerts } from './control-alerts.ts';
import { readDataFile } from './data-file.ts';
import { MESH_ALERTS } from './mesh-alerts.ts';
import { type QueueLimits, queueAlerts } from './queue-alerts.ts';
import { type Receivers, receiversFile } from './receivers.ts';
import { type Group, type Links, toRuleFile } from './rule.ts';
import { type ServiceLevel, toGroup } from './service-level.ts';
import { SIDECAR_ALERTS } from './sidecar-alerts.ts';
import { type Windows, windowsFile } from './windows.ts';

const webUrl = url(['https:', 'http:']);
const settingsFile = z.strictObject({
  grafanaUrl: webUrl,
  runbooksUrl: webUrl,
  control: z.strictObject({ authoritySilentSeconds: z.int().min(60) }),
  queues: z.strictObject({ oldestSeconds: z.int().min(1), waiting: z.int().min(1) }),
});

export interface AlertData {
  readonly links: Links;
  readonly windows: Windows;
  readonly levels: readonly ServiceLevel[];
  readonly queues: QueueLimits;
  readonly control: ControlLimits;
}

/** @throws ConfigError */
export async function readAlertData(windowsPath = dataPath('windows.yaml')): Promise<AlertData> {
  const { queues, control, ...links } = await readDataFile(dataPath('settings.yaml'), settingsFile);
  return {
    links,
    queues,
    control,
    windows: await readDataFile(windowsPath, windowsFile),
    levels: (await loadServiceLevels(dataPath('service-levels.yaml'))).map(({ metadata, spec }) => ({
      name: metadata.name,
      spec,
    })),
  };
}

/** By name. */
export function groupFiles({
  levels,
  windows,
  queues,
  control,
}: AlertData): ReadonlyMap<string, readonly Group[]> {
  return new Map([
    [
      'mesh.rules.yaml',
      [
        { name: 'mesh', recordings: [], alerts: MESH_ALERTS },
        { name: 'sidecars', recordings: [], alerts: SIDECAR_ALERTS },
        { name: 'control', recordings: [], alerts: controlAlerts(control) },
      ],
    ],
    ['platform.rules.yaml', [{ name: 'queues', recordings: [], alerts: queueAlerts(queues) }]],
    ['service-levels.rules.yaml', levels.map((level) => toGroup(level, windows))],
  ]);
}

/** Rule files for Prometheus, by name. */
export async function renderRuleFiles(): Promise<ReadonlyMap<string, string>> {
  const data = await readAlertData();
  const files = new Map<string, string>();
  for (const [name, groups] of groupFiles(data)) files.set(name, toYaml(toRuleFile(groups, data.links)));
  return files;
}

/** What `npm run generate` writes. */
export async function renderAlertFiles(): Promise<ReadonlyMap<string, string>> {
  const alertmanager = toYaml(toAlertmanagerConfig(await readReceivers()));
  return new Map([...(await renderRuleFiles()), ['alertmanager.yaml', alertmanager]]);
}

/** @throws ConfigError */
export function readReceivers(path = dataPath('receivers.yaml')): Promise<Receivers> {
  return readDataFile(path, receiversFile);
}

const HEADER = '# Made by `npm run generate` from alerts/; do not edit.\n';

function toYaml(content: object): string {
  return `${HEADER}${stringify(content, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

function dataPath(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url));
}
