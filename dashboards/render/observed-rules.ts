/**
 * The rules of the platform, and a promise about the pair of the observed mesh that is not kept, so that there is a budget that burns.
 */
import { groupFiles, readAlertData } from '../../alerts/src/files.ts';
import { toRuleFile } from '../../alerts/src/rule.ts';
import { CALLER } from '../../test/observability/policy-pair.ts';

/** Rule files of Prometheus by name, as JSON. */
export async function observedRules(): Promise<Record<string, string>> {
  const data = await readAlertData();
  const name = `${CALLER}-availability`;
  const spec = {
    service: CALLER,
    protocol: 'http',
    objective: 99.5,
    window: '30d',
    team: 'shop',
    indicator: { availability: {} },
  } as const;
  const groups = groupFiles({ ...data, levels: [...data.levels, { name, spec }] });
  return Object.fromEntries(
    Array.from(groups, ([file, each]) => [file, JSON.stringify(toRuleFile(each, data.links))]),
  );
}
