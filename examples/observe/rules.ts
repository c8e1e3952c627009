import { fileURLToPath } from 'node:url';
import { type AlertData, groupFiles, readAlertData } from '../../alerts/src/files.ts';
import { type Group, toRuleFile } from '../../alerts/src/rule.ts';
import { secondsOf } from '../../alerts/src/windows.ts';

// The rules of alerts/ for somebody who watches: the same expressions, with windows and waits of seconds.

/** What takes a minute there takes three seconds here. */
const SPEED = 20;
/** Their windows are short as they are. */
const LEVELS = 'service-levels.rules.yaml';
const WINDOWS = fileURLToPath(new URL('windows.yaml', import.meta.url));

/** Files for Prometheus, by name. */
export async function shortenedRules(): Promise<Record<string, string>> {
  const given = await readAlertData(WINDOWS);
  const queues = { ...given.queues, oldestSeconds: given.queues.oldestSeconds / SPEED };
  const data: AlertData = { ...given, queues };
  const files: Record<string, string> = {};
  for (const [name, groups] of groupFiles(data))
    files[name] = JSON.stringify(toRuleFile(name === LEVELS ? groups : groups.map(shorten), data.links));
  return files;
}

function shorten(group: Group): Group {
  const alerts = group.alerts.map((alert) => ({
    ...alert,
    holds: `${Math.ceil(secondsOf(alert.holds) / SPEED)}s`,
  }));
  return { ...group, alerts };
}
