import { expect, test } from 'vitest';
import { loadConfig } from '../../sidecar/src/config/load.ts';

test('the example is right, and all of it has an effect', async () => {
  const loaded = await loadConfig(new URL('config', import.meta.url).pathname);
  expect(loaded).toMatchObject({ ok: true, warnings: [] });
});
