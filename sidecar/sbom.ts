/**
 * `npm run sbom`: the packages inside the file that images ship, as CycloneDX (https://cyclonedx.org), in `sidecar/dist/sidecar.cdx.json`.
 *
 * npm describes what is installed; of that, what the bundle holds stays.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import { bundleSidecar, FOLDER } from './build.ts';

export interface Sbom {
  metadata: { component: object };
  components: SbomComponent[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

export interface SbomComponent {
  'bom-ref': string;
  name: string;
  version: string;
  purl: string;
  hashes?: { alg: string; content: string }[];
  licenses?: object[];
}

const ROOT = join(import.meta.dirname, '..');
const MAX_BYTES = 64 * 1024 * 1024;
const COMPONENT = {
  'bom-ref': 'tulle-sidecar',
  type: 'application',
  name: 'tulle-sidecar',
  licenses: [{ license: { id: 'Apache-2.0' } }],
};

/** Settles with the path of the file. */
export async function writeSbom(): Promise<string> {
  const { moduleIds } = await bundleSidecar();
  const bundled = await packagesOf(moduleIds);
  const all = await describeInstalled();
  const components = all.components.filter((component) => bundled.has(component['bom-ref']));
  if (components.length !== bundled.size) {
    const known = new Set(components.map((component) => component['bom-ref']));
    throw new Error(`npm does not know ${[...bundled].filter((ref) => !known.has(ref)).join(', ')}`);
  }
  const dependencies = all.dependencies
    .filter(({ ref }) => bundled.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((name) => bundled.has(name)) }));
  const sbom: Sbom = {
    ...all,
    metadata: { ...all.metadata, component: COMPONENT },
    components,
    dependencies,
  };
  await mkdir(FOLDER, { recursive: true });
  const path = join(FOLDER, 'sidecar.cdx.json');
  await writeFile(path, `${JSON.stringify(sbom, null, 2)}\n`);
  return path;
}

/** `name@version` of each package that one of the modules is from. */
async function packagesOf(moduleIds: readonly string[]): Promise<Set<string>> {
  const marker = `${sep}node_modules${sep}`;
  const folders = new Set<string>();
  for (const id of moduleIds) {
    const at = id.lastIndexOf(marker);
    if (at === -1) continue;
    const [first = '', second = ''] = id.slice(at + marker.length).split(sep);
    folders.add(join(id.slice(0, at), 'node_modules', first, first.startsWith('@') ? second : ''));
  }
  // A module made by the bundler has a name that no file has.
  const manifests = [...folders].map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    return `${name}@${version}`;
  });
  return new Set(await Promise.all(manifests));
}

async function describeInstalled(): Promise<Sbom> {
  const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: ROOT, maxBuffer: MAX_BYTES });
  return JSON.parse(stdout);
}

if (import.meta.main) process.stdout.write(`${await writeSbom()}\n`);
