// What the lock file lets into the project: licences that its users can live with, contents that are pinned, and code that runs at
// installation only where somebody has said so.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Locked {
  version?: string;
  license?: unknown;
  integrity?: string;
  link?: boolean;
  hasInstallScript?: boolean;
}

const ROOT = join(import.meta.dirname, '../..');
/** Permissive, or copyleft for its own files alone. */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MPL-2.0',
  'PSF-2.0',
  'Unlicense',
];
/** What a manifest says in a form of its own, read by a person: the package and its version, and what it comes to. */
const READ: Record<string, string> = { 'json-bignum@0.0.3': 'MIT', 'tv4@1.3.0': 'MIT' };

const FOLDER = 'node_modules/';
const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
const packages = Object.entries(lock.packages as Record<string, Locked>).filter(
  ([path, { link }]) => path.includes(FOLDER) && link !== true,
);

test('every package is under a licence that may be used', () => {
  const refused = packages.filter(([path, entry]) => {
    const licence = String(READ[nameOf(path, entry)] ?? entry.license).replace(/^\((.*)\)$/, '$1');
    return !licence
      .split(' OR ')
      .some((choice) => choice.split(' AND ').every((part) => ALLOWED.includes(part)));
  });
  expect(refused.map(([path, entry]) => `${nameOf(path, entry)}: ${JSON.stringify(entry.license)}`)).toEqual(
    [],
  );
});

test('the contents of every package are pinned', () => {
  const loose = packages.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-'));
  expect(loose.map(([path, entry]) => nameOf(path, entry))).toEqual([]);
});

test('nothing runs at installation but what package.json has decided about', async () => {
  const { allowScripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const scripted = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true);
  expect(Object.keys(allowScripts)).toEqual(
    expect.arrayContaining(scripted.map(([path]) => packageOf(path))),
  );
});

function nameOf(path: string, { version }: Locked): string {
  return `${packageOf(path)}@${version}`;
}

/** Packages that two others need in different versions lie inside one of them. */
function packageOf(path: string): string {
  return path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
}
