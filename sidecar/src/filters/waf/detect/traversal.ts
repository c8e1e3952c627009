/**
 * Tells paths that leave the folder they should stay in, and paths of files that attackers ask for. Looks at decoded bytes; `\` counts as `/`.
 *
 * One `../` is what relative links have; two of them, or one in the path of a request, or one that was escaped, are not.
 */
import { isSpace, lowerCase } from '../character.ts';
import { type RuleSet, Rules } from '../rules.ts';

export function inspectTraversal(
  text: Uint8Array,
  start: number,
  end: number,
  isPath: boolean,
  wasEncoded: boolean,
  found: RuleSet,
  level: number,
): void {
  let climbs = 0;
  let first = -1;
  for (let i = start; i + 1 < end; i++) {
    if (text[i] !== 0x2e || text[i + 1] !== 0x2e) continue;
    const isBegin = i === start || isSlash(text[i - 1] as number) || !isPathByte(text[i - 1] as number);
    let stop = i + 2;
    while (stop < end && text[stop] === 0x2e) stop++;
    const isStep = stop < end && isSlash(text[stop] as number);
    const isLast = stop === end && i > start && isSlash(text[i - 1] as number);
    if (isBegin && (isStep || isLast || (stop < end && text[stop] === 0x3b))) {
      climbs++;
      if (first === -1) first = i;
    }
    i = stop - 1;
  }
  const isGrave = climbs >= 2 || (climbs === 1 && (isPath || wasEncoded));
  if (isGrave) found.add(Rules.traversal, first);
  else if (climbs === 1 && level >= Rules.traversalOnce.level) found.add(Rules.traversalOnce, first);
  inspectFiles(text, start, end, climbs > 0, isPath, found);
}

/** Lower case, with `/`; those that begin with `/` count at the begin of a value, or behind a climb; others wherever a segment begins. */
const FILES: readonly Uint8Array[] = [
  '/etc/passwd',
  '/etc/shadow',
  '/etc/hosts',
  '/etc/group',
  '/etc/issue',
  '/etc/crontab',
  '/etc/sudoers',
  '/etc/ssh/',
  '/etc/apache2/',
  '/etc/nginx/',
  '/etc/mysql/',
  '/etc/php',
  '/proc/self/',
  '/proc/version',
  '/proc/cmdline',
  '/root/.',
  '/var/log/',
  '/var/run/secrets/',
  '/.ssh/',
  '/.aws/',
  '/.git/',
  '/.svn/',
  '/.env',
  '/.htaccess',
  '/.htpasswd',
  '/.bash_history',
  '/web-inf/',
  '/meta-inf/',
  '/boot.ini',
  '/win.ini',
  '/system.ini',
  '/windows/system32/',
  '/winnt/',
  '/inetpub/',
].map((path) => Buffer.from(path));

/** By the byte behind the slash, so that a look at that is enough for most. */
const FILES_BY_BYTE: (readonly Uint8Array[] | undefined)[] = [];
for (const file of FILES) {
  const byte = file[1] as number;
  FILES_BY_BYTE[byte] = [...(FILES_BY_BYTE[byte] ?? []), file];
}

const SCHEMES: readonly Uint8Array[] = [
  'file://',
  'php://',
  'phar://',
  'expect://',
  'zip://',
  'glob://',
  'jar:',
  'gopher://',
  'dict://',
  'netdoc:',
].map((scheme) => Buffer.from(scheme));

function inspectFiles(
  text: Uint8Array,
  start: number,
  end: number,
  climbs: boolean,
  isPath: boolean,
  found: RuleSet,
): void {
  const first = skipSpace(text, start, end);
  for (const scheme of SCHEMES) {
    if (matches(text, first, end, scheme)) {
      found.add(Rules.traversalFile, first);
      return;
    }
  }
  const isRooted =
    climbs ||
    isPath ||
    isSlash(text[first] as number) ||
    (first + 2 < end && text[first + 1] === 0x3a && isSlash(text[first + 2] as number));
  if (!isRooted) return;
  for (let i = first; i < end; i++) {
    if (!isSlash(text[i] as number)) continue;
    const files = i + 1 < end ? FILES_BY_BYTE[lowerCase(text[i + 1] as number)] : undefined;
    if (files === undefined) continue;
    for (const file of files) {
      if (matches(text, i, end, file)) {
        found.add(Rules.traversalFile, i);
        return;
      }
    }
  }
}

function matches(text: Uint8Array, at: number, end: number, word: Uint8Array): boolean {
  if (at + word.length > end) return false;
  for (let i = 0; i < word.length; i++) {
    const byte = text[at + i] as number;
    if ((byte === 0x5c ? 0x2f : lowerCase(byte)) !== word[i]) return false;
  }
  return true;
}

function skipSpace(text: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(text[at] as number)) at++;
  return at;
}

function isSlash(byte: number): boolean {
  return byte === 0x2f || byte === 0x5c;
}

/** What a name of a file can end with: two dots behind it are no step up. */
function isPathByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) || byte === 0x5f;
}
