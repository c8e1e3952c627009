// Every query of every panel, and every expression of every rule, asked of a real Prometheus that scraped the real mesh under load: it is understood, and it has an answer.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expressionsOfRules, RULES_MAY_BE_EMPTY } from '../alerts/test/expressions.ts';
import { ObservedMesh } from '../test/observability/observed-mesh.ts';
import { interpolate } from './interpolate.ts';
import { panelsOf, targetsOf } from './panels.ts';
import { drawPicture, EVERYTHING } from './render/draw.ts';
import { observedRules } from './render/observed-rules.ts';
import { NO_DATA } from './render/page.ts';
import { DASHBOARDS } from './src/index.ts';

/** Queries without an answer in this mesh, by panel, each with the reason. */
const MAY_BE_EMPTY: Readonly<Record<string, string>> = {
  'tulle-control-plane: Issuer away for A':
    'only an authority whose issuer is Vault knows one that can be away',
  'tulle-control-plane: Certificates given B': 'nobody is refused a certificate',
  'tulle-control-plane: Secrets stale for A': 'no agent of secrets runs',
  'tulle-control-plane: Leases of secrets A': 'nothing is leased from a Vault',
};

/** On a new machine Chromium is fetched first. */
const DRAW_MS = 180_000;

function mayBeEmpty(start: string): boolean {
  return Object.keys(MAY_BE_EMPTY).some((name) => name.startsWith(start));
}

interface Vector {
  readonly result: readonly { readonly value: readonly [number, string] }[];
}

const QUERIES = DASHBOARDS.flatMap((dashboard) =>
  panelsOf(dashboard).flatMap((panel) =>
    targetsOf(panel).map(({ refId, expr }) => ({
      name: `${dashboard.uid}: ${panel.title} ${refId}`,
      expr: interpolate(expr, EVERYTHING),
    })),
  ),
);

const RULES = await expressionsOfRules();

let observed: ObservedMesh;

beforeAll(async () => {
  observed = await ObservedMesh.open({ rules: await observedRules() });
  await observed.settled(20);
});

afterAll(() => observed?.close());

describe('the query of each panel has an answer', () => {
  test.each(QUERIES)('$name', ({ name, expr }) => expectAnswer(expr, name in MAY_BE_EMPTY));
});

describe('the expression of each rule has an answer', () => {
  test.each(RULES)('$name', ({ name, expr }) => expectAnswer(expr, name in RULES_MAY_BE_EMPTY));
});

async function expectAnswer(expr: string, mayBeEmpty: boolean): Promise<void> {
  const { result } = (await observed.prometheus.query('query', { query: expr })) as Vector;
  if (mayBeEmpty) return;
  const answered = result.some(({ value }) => Number.isFinite(Number(value[1])));
  expect(answered, `${expr} answers ${JSON.stringify(result)}`).toBe(true);
}

describe('each dashboard can be drawn, and every panel has something to show', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tulle-pictures-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(DASHBOARDS.map((dashboard) => [dashboard.uid, dashboard] as const))(
    '%s',
    async (uid, dashboard) => {
      const end = Date.now() / 1_000;
      const view = { span: { start: end - 30, end }, values: EVERYTHING };
      const page = await drawPicture(dashboard, folder, observed.prometheus.query, view);
      const shown = page.withoutData.filter((title) => !mayBeEmpty(`${uid}: ${title} `));
      expect(shown).toEqual([]);
      expect(page.html.split(NO_DATA).length - 1).toBe(page.withoutData.length);
      const png = await readFile(join(folder, `${uid}.png`));
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([page.width, page.height]);
    },
    DRAW_MS,
  );
});

test('the lists of those without an answer name what there is', () => {
  const names = new Set([...QUERIES, ...RULES].map(({ name }) => name));
  const listed = Object.keys({ ...MAY_BE_EMPTY, ...RULES_MAY_BE_EMPTY });
  expect(listed.filter((name) => !names.has(name))).toEqual([]);
});

describe('the variables and annotations of each dashboard are understood', () => {
  test.each(DASHBOARDS.map((dashboard) => [dashboard.uid, dashboard] as const))(
    '%s',
    async (_, dashboard) => {
      for (const { label, selector } of choicesOf(dashboard)) {
        const found = await observed.prometheus.query(`label/${label}/values`, { 'match[]': selector });
        expect(found, `label_values(${selector}, ${label})`).not.toEqual([]);
      }
      for (const { expr = '' } of dashboard.annotations?.list ?? []) {
        await observed.prometheus.query('query', { query: interpolate(expr, EVERYTHING) });
      }
    },
  );
});

/** What the variables of a dashboard ask. */
function choicesOf(dashboard: Dashboard): { label: string; selector: string }[] {
  return (dashboard.templating.list ?? []).flatMap(({ definition = '' }) => {
    const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? [];
    return selector === undefined || label === undefined
      ? []
      : [{ label, selector: interpolate(selector, EVERYTHING) }];
  });
}
