/**
 * The YAML side of loading: text to plain values, with the way back from a key path to the line and column it stands
 * at. Only plain YAML is taken: no aliases (one mistake would stand in two places, and a few lines could
 * expand to gigabytes), no custom tags, no key twice.
 */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  parseDocument,
  visit,
} from 'yaml';
import type { KeyPath } from './problem.ts';

export type Position = { readonly line: number; readonly column: number };

export type SyntaxProblem = Position & { readonly message: string; readonly suggestion: string | null };

export type YamlSource = {
  readonly value: unknown;
  readonly problems: readonly SyntaxProblem[];
  /** True when the structure itself is in doubt, so that looking further would report consequences as causes. */
  readonly broken: boolean;
  /** Where the value at `path` begins; for what is not there, where the nearest enclosing value begins. */
  locateValue(path: KeyPath): Position;
  /** Where the last key of `path` begins; for a list item, which has none, where its value does. */
  locateKey(path: KeyPath): Position;
};

/** A text that is one document; a second one is a problem. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  return toSource(parseDocument(text, { ...OPTIONS, lineCounter: lines }), text, lines);
}

/** The documents of a text, in order. Those with nothing in them are left out, as between two `---`. */
export function readYamlDocuments(text: string): YamlSource[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { ...OPTIONS, lineCounter: lines });
  return documents
    .filter(({ contents, errors }) => errors.length > 0 || !isEmpty(contents))
    .map((document) => toSource(document, text, lines));
}

const OPTIONS = {
  prettyErrors: false,
  stringKeys: true,
  // Not silent: that would also accept a second document and drop it.
  logLevel: 'error',
} as const;

function toSource(document: Document.Parsed, text: string, lines: LineCounter): YamlSource {
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    // An empty text has no line yet.
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };

  const problems: SyntaxProblem[] = [];
  let broken = false;
  let lost = false;
  const errors = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  for (const { code, message, pos } of errors) {
    const known = WORDING[code];
    if (code !== 'DUPLICATE_KEY') broken = true;
    // Past the first place that is no YAML the parser guesses the structure, and most it says is about its guess.
    if (known === undefined && lost) continue;
    if (known === undefined || code === 'TAB_AS_INDENT') lost = true;
    const place = position(pos[0]);
    problems.push({
      ...place,
      message: known?.message ?? `is not valid YAML: ${message}`,
      suggestion: known?.suggestion ?? suggestQuotes(text.split('\n')[place.line - 1] ?? ''),
    });
  }
  visit(document, {
    Alias(_, alias) {
      broken = true;
      problems.push({
        ...position(alias.range?.[0] ?? 0),
        message: 'uses a YAML alias, which is not supported',
        suggestion: 'write the value out',
      });
    },
  });

  const root = document.contents;
  return {
    value: broken ? null : document.toJS(),
    problems,
    broken,
    locateValue: (path) => position(valueOffset(findEntry(root, path))),
    locateKey(path) {
      const { key, value } = findEntry(root, path);
      return position(start(key ?? value));
    },
  };
}

const WORDING: Record<string, { message: string; suggestion: string } | undefined> = {
  DUPLICATE_KEY: { message: 'has the same key twice', suggestion: 'remove one of them' },
  MULTIPLE_DOCS: { message: 'starts a second document', suggestion: 'keep one document in the file' },
  TAB_AS_INDENT: { message: 'is indented with a tab', suggestion: 'indent with spaces' },
  NON_STRING_KEY: { message: 'has a list or a mapping as a key', suggestion: 'use a plain name' },
  TAG_RESOLVE_FAILED: { message: 'has a YAML tag, which is not supported', suggestion: 'remove the !tag' },
};

/** YAML reads a bare `[::1]:80` as a list, which is the usual way to get a puzzling error in this file. */
function suggestQuotes(line: string): string | null {
  const address = /(?<!["'])\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]:\d+/.exec(line)?.[0];
  return address === undefined ? null : `put quotes around an IPv6 address: "${address}"`;
}

/** A key and its value; a list's items and the root have no key. */
type Entry = { readonly key: Node | null; readonly value: Node | null };

/** The entry at `path`, or the nearest one around it. */
function findEntry(root: Node | null, path: KeyPath): Entry {
  let entry: Entry = { key: null, value: root };
  for (const step of path) {
    const child = findChild(entry.value, step);
    if (child === null) break;
    entry = child;
  }
  return entry;
}

function findChild(node: Node | null, step: string | number): Entry | null {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return isNode(item) ? { key: null, value: item } : null;
  }
  if (!isMap(node)) return null;
  // The last of two equal keys is the one whose value counts.
  const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === step);
  if (pair === undefined || !isNode(pair.key)) return null;
  return { key: pair.key, value: isNode(pair.value) ? pair.value : null };
}

function valueOffset({ key, value }: Entry): number {
  // An empty value (`service:`) has no place of its own that a reader would recognise: show its key.
  const empty = value === null || value.range?.[0] === value.range?.[1];
  return start(empty ? (key ?? value) : value);
}

function isEmpty(root: Node | null): boolean {
  return root === null || (isScalar(root) && root.value === null && root.range?.[0] === root.range?.[1]);
}

function start(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}
