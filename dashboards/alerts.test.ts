// Where alerts lead: each `dashboard_url` is a dashboard that there is, with the variables that it sets.
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { renderRuleFiles } from '../alerts/src/files.ts';
import { DASHBOARDS } from './src/index.ts';

interface RuleFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert?: string;
      readonly annotations?: { readonly dashboard_url?: string };
    }[];
  }[];
}

const files = [...(await renderRuleFiles()).values()].map((text) => parse(text) as RuleFile);
const alerts = files
  .flatMap(({ groups }) => groups.flatMap(({ rules }) => rules))
  .filter(({ alert }) => alert !== undefined);
const LINKS = alerts.flatMap(({ alert = '', annotations }) =>
  annotations?.dashboard_url === undefined ? [] : [{ alert, url: annotations.dashboard_url }],
);

test('there are links to look at', () => {
  expect(LINKS.length).toBeGreaterThan(0);
});

test.each(LINKS)('$alert leads somewhere', ({ url }) => {
  const [, uid, query = ''] = /\/d\/([\w-]+)(?:\?(.*))?$/.exec(url) ?? [];
  const dashboard = DASHBOARDS.find((each) => each.uid === uid);
  expect(dashboard, url).toBeDefined();
  const variables = (dashboard?.templating.list ?? []).map(({ name }) => name);
  for (const [, name] of query.matchAll(/var-(\w+)=/g)) expect(variables).toContain(name);
});
