// The dashboards are clean, and each rule finds what it is there for when it is planted.
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { expect, test } from 'vitest';
import { panelsOf, targetsOf } from '../panels.ts';
import { DASHBOARDS } from '../src/index.ts';
import { lint, RULES } from './lint.ts';

type Draft = { -readonly [Key in keyof Dashboard]: Dashboard[Key] };

/** Breaks one rule each, in a copy of the dashboard of services. */
const PLANTED: Readonly<Record<string, (draft: Draft) => void>> = {
  'uid-unique': (draft) => {
    draft.uid = 'tulle-mesh';
  },
  described: (draft) => {
    draft.description = '';
  },
  'not-editable': (draft) => {
    draft.editable = true;
  },
  'datasource-templated': (draft) => {
    firstPanel(draft).datasource = { type: 'prometheus', uid: 'P1809F7CD0C75ACF3' };
  },
  'variable-refreshed': (draft) => {
    for (const variable of draft.templating.list ?? []) if (variable.type === 'query') variable.refresh = 1;
  },
  'variable-used': (draft) => {
    draft.templating.list?.push({ type: 'custom', name: 'pod' } as never);
  },
  'variable-declared': (draft) => {
    firstPanel(draft).description += ' of $cluster';
  },
  'link-resolves': (draft) => {
    firstPanel(draft).links = [{ url: '/d/tulle-gone' } as never];
  },
  'linked-variable-declared': (draft) => {
    firstPanel(draft).links = [{ url: '/d/tulle-mesh?var-tenant=acme' } as never];
  },
  'panels-apart': (draft) => {
    firstPanel(draft).gridPos = { x: 0, y: 0, w: 24, h: 24 };
  },
  'panel-described': (draft) => {
    firstPanel(draft).description = '';
  },
  'panel-unit': (draft) => {
    firstPanel(draft).fieldConfig = { defaults: {}, overrides: [] };
  },
  'panel-asks': (draft) => {
    firstPanel(draft).targets = [];
  },
  'panel-legend': (draft) => {
    const graph = panelsOf(draft).find(({ type }) => type === 'timeseries');
    Object.assign(graph?.targets?.[0] ?? {}, { legendFormat: '' });
  },
  'panel-title-unique': (draft) => {
    for (const panel of panelsOf(draft)) panel.title = 'Requests';
  },
  'rate-interval': (draft) => editQuery(draft, (expr) => expr.replace('$__rate_interval', '5m')),
  'counter-rated': (draft) => editQuery(draft, () => 'sum(tulle_requests_total)'),
  'gauge-not-rated': (draft) => editQuery(draft, () => 'rate(tulle_active_exchanges[$__rate_interval])'),
  'scope-selected': (draft) => editQuery(draft, () => 'sum(tulle_active_exchanges{namespace=~"$namespace"})'),
  'instant-or-range': (draft) => {
    Object.assign(firstPanel(draft).targets?.[0] ?? {}, { instant: false, range: false });
  },
  'exemplar-of-histogram': (draft) => {
    Object.assign(firstPanel(draft).targets?.[0] ?? {}, { exemplar: true });
  },
};

function firstPanel(draft: Dashboard) {
  const [panel] = panelsOf(draft);
  if (panel === undefined) throw new Error('the dashboard has no panel');
  return panel;
}

function editQuery(draft: Dashboard, edit: (expr: string) => string): void {
  const [target] = targetsOf(firstPanel(draft));
  Object.assign(target ?? {}, { expr: edit(target?.expr ?? '') });
}

test('all dashboards are clean', () => {
  expect(lint(DASHBOARDS)).toEqual([]);
});

test('every rule has a planted violation', () => {
  expect(Object.keys(PLANTED).sort()).toEqual(RULES.map(({ name }) => name).sort());
});

test.each(Object.entries(PLANTED))('%s is found', (rule, plant) => {
  const drafts = JSON.parse(JSON.stringify(DASHBOARDS)) as Draft[];
  const draft = drafts.find(({ uid }) => uid === 'tulle-service');
  plant(draft as Draft);
  const found = lint(drafts).filter((finding) => finding.rule === rule);
  expect(found).not.toEqual([]);
});
