// That what Grafana reads fits together: uids that dashboards and exemplars go by, and the environment that the README lists.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8');

interface DataSource {
  readonly uid: string;
  readonly type: string;
  readonly jsonData: { readonly exemplarTraceIdDestinations?: readonly { datasourceUid: string }[] };
}

test('exemplars lead to a datasource that is there', async () => {
  const { datasources } = parse(await read('provisioning/datasources/tulle.yaml')) as {
    datasources: DataSource[];
  };
  const uids = datasources.map(({ uid }) => uid);
  const destinations = datasources.flatMap(({ jsonData }) => jsonData.exemplarTraceIdDestinations ?? []);
  expect(destinations).not.toEqual([]);
  for (const { datasourceUid } of destinations) expect(uids).toContain(datasourceUid);
  expect(datasources.map(({ type }) => type)).toEqual(expect.arrayContaining(['prometheus', 'tempo']));
});

test('the README lists the environment that the files need, and no other', async () => {
  const files = await Promise.all(
    ['provisioning/datasources/tulle.yaml', 'provisioning/dashboards/tulle.yaml'].map(read),
  );
  const used = new Set(files.join().match(/TULLE_\w+/g));
  expect(new Set((await read('README.md')).match(/TULLE_\w+/g))).toEqual(used);
});
