/**
 * Dashboards as PNG files.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { drawPage } from '../../test/parts/chromium.ts';
import type { Values } from '../interpolate.ts';
import { drawDashboard, type Page } from './page.ts';
import type { Ask, Span } from './panel-data.ts';

/** Whatever variables choose, over so much time as the observed mesh is scraped in a few times. */
export const EVERYTHING: Values = {
  datasource: 'prometheus',
  namespace: '.*',
  service: '.*',
  route: '.*',
  slo: '.*',
  queue: '.*',
  job: 'tulle-sidecar',
  __rate_interval: '15s',
};

/** Writes `<uid>.png` into the folder. */
export async function drawPicture(
  dashboard: Dashboard,
  folder: string,
  ask: Ask,
  { span, values }: { span: Span; values: Values },
): Promise<Page> {
  const page = await drawDashboard(dashboard, ask, span, values);
  const scratch = await mkdtemp(join(tmpdir(), 'tulle-picture-'));
  try {
    const path = join(scratch, 'page.html');
    await writeFile(path, page.html);
    await mkdir(folder, { recursive: true });
    await drawPage(path, join(folder, `${dashboard.uid}.png`), page);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return page;
}
