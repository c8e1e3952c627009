/**
 * Rules about a dashboard as a whole.
 */
import { type Dashboard, VariableRefresh } from '@grafana/grafana-foundation-sdk/dashboard';
import { variablesIn } from '../interpolate.ts';
import { panelsOf } from '../panels.ts';
import type { DashboardRule } from './finding.ts';

/** Datasources are a variable, so that a dashboard works wherever it is imported. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
const TEMPLATED = '${datasource}';
const DASHBOARD_LINK = /\/d\/([\w-]+)/g;

export const DASHBOARD_RULES: readonly DashboardRule[] = [
  {
    name: 'uid-unique',
    *check({ uid }, all) {
      if (uid === undefined) yield { problem: 'has no uid' };
      else if (all.filter((other) => other.uid === uid).length > 1)
        yield { problem: 'is the uid of another, too' };
    },
  },
  {
    name: 'described',
    *check({ title, description }) {
      if (!title) yield { problem: 'has no title' };
      if (!description) yield { problem: 'has no description' };
    },
  },
  {
    name: 'not-editable',
    *check({ editable }) {
      if (editable !== false)
        yield { problem: 'can be edited in Grafana, where the next deployment undoes it' };
    },
  },
  {
    name: 'datasource-templated',
    *check(dashboard) {
      const { templating, annotations } = dashboard;
      const variables = templating.list ?? [];
      if (!variables.some(({ type, name }) => type === 'datasource' && name === 'datasource'))
        yield { problem: 'has no variable for its datasource' };
      const owners = [
        ...variables.filter(({ type }) => type === 'query'),
        ...(annotations.list ?? []),
        ...panelsOf(dashboard),
        ...panelsOf(dashboard).flatMap(({ targets = [] }) => targets),
      ] as { name?: string; title?: string; refId?: string; datasource?: { uid?: string } }[];
      for (const { name, title, refId, datasource } of owners) {
        if (datasource?.uid !== TEMPLATED)
          yield {
            where: name ?? title ?? refId ?? '',
            problem: `asks ${datasource?.uid ?? 'no datasource'}`,
          };
      }
    },
  },
  {
    name: 'variable-refreshed',
    *check({ templating }) {
      for (const { type, name, refresh } of templating.list ?? []) {
        if (type === 'query' && refresh !== VariableRefresh.OnTimeRangeChanged)
          yield { where: name, problem: 'offers what there was when the dashboard was opened' };
      }
    },
  },
  {
    name: 'variable-used',
    *check(dashboard) {
      const { list = [], ...templating } = dashboard.templating;
      for (const { name } of list) {
        const others = list.filter((other) => other.name !== name);
        const text = JSON.stringify({ ...dashboard, templating: { ...templating, list: others } });
        if (!new RegExp(`\\$\\{?${name}\\b`).test(text)) yield { where: name, problem: 'is used nowhere' };
      }
    },
  },
  {
    name: 'variable-declared',
    *check(dashboard) {
      const declared = new Set((dashboard.templating.list ?? []).map(({ name }) => name));
      for (const name of variablesIn(JSON.stringify(dashboard))) {
        // Those of Grafana itself begin with two underscores.
        if (!name.startsWith('__') && !declared.has(name))
          yield { where: name, problem: 'is no variable of the dashboard' };
      }
    },
  },
  {
    name: 'link-resolves',
    *check(dashboard, all) {
      for (const [, uid] of JSON.stringify(dashboard).matchAll(DASHBOARD_LINK)) {
        if (!all.some((other) => other.uid === uid))
          yield { problem: `leads to ${uid}, which is no dashboard` };
      }
    },
  },
  {
    name: 'linked-variable-declared',
    *check(dashboard, all) {
      for (const [, uid, query] of JSON.stringify(dashboard).matchAll(/\/d\/([\w-]+)\?([^"]*)/g)) {
        const target = all.find((other) => other.uid === uid);
        for (const [, name] of (query ?? '').matchAll(/var-(\w+)=/g)) {
          if (
            target !== undefined &&
            !(target.templating.list ?? []).some((variable) => variable.name === name)
          )
            yield { where: uid ?? '', problem: `has no variable ${name}, which a link sets` };
        }
      }
    },
  },
  {
    name: 'panels-apart',
    *check(dashboard) {
      const seen = new Set<number>();
      for (const { id = 0, title } of panelsOf(dashboard)) {
        if (seen.has(id)) yield { where: title ?? '', problem: `has the id ${id} of another panel` };
        seen.add(id);
      }
      for (const [first, second] of overlaps(dashboard)) yield { where: first, problem: `lies on ${second}` };
    },
  },
];

function* overlaps(dashboard: Dashboard): Iterable<[string, string]> {
  const placed = panelsOf(dashboard).map(({ title = '', gridPos }) => ({
    title,
    x: 0,
    y: 0,
    w: 0,
    h: 0,
    ...gridPos,
  }));
  for (const [i, one] of placed.entries()) {
    for (const other of placed.slice(i + 1)) {
      const beside = one.x + one.w <= other.x || other.x + other.w <= one.x;
      const below = one.y + one.h <= other.y || other.y + other.h <= one.y;
      if (!beside && !below) yield [one.title, other.title];
    }
  }
}
