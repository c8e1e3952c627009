import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type Sbom, writeSbom } from './sbom.ts';

test('the bill of materials names what the file holds, and nothing that only builds it', async () => {
  const sbom: Sbom = JSON.parse(await readFile(await writeSbom(), 'utf8'));
  const names = sbom.components.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['zod', 'yaml', 'prom-client', '@grpc/grpc-js', 'ioredis']));
  for (const builder of ['rolldown', 'vitest', 'typescript']) expect(names).not.toContain(builder);
  for (const { name, version, purl, hashes, licenses } of sbom.components) {
    expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`);
    expect(hashes, name).toEqual([{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }]);
    expect(licenses, name).not.toEqual([]);
  }
  const refs = new Set(sbom.components.map((component) => component['bom-ref']));
  for (const { dependsOn = [] } of sbom.dependencies) {
    for (const ref of dependsOn) expect(refs).toContain(ref);
  }
});
