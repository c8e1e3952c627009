/**
 * Whether one match leaves nothing over for another: every request that the second applies to is one that the first applies to.
 *
 * It may say no where the answer is yes, never the other way round: regular expressions are compared by their text.
 */
import type { PathMatch, RequestMatch } from './route-config.ts';

const EVERY_PATH = new Set(['.*', '/.*']);

export function covers(first: RequestMatch, second: RequestMatch): boolean {
  return (
    coversPath(first.path, second.path) &&
    (first.method === null || first.method === second.method) &&
    isSubset(first.headers, second.headers) &&
    isSubset(first.query, second.query)
  );
}

/** Whether every request is one that the match applies to. */
export function coversAll(match: RequestMatch): boolean {
  return covers(match, {
    path: { type: 'PathPrefix', value: '' },
    method: null,
    headers: [],
    query: [],
    rank: [],
  });
}

function coversPath(first: PathMatch, second: PathMatch): boolean {
  if (first.type === 'PathPrefix') {
    if (first.value === '') return true;
    if (second.type === 'RegularExpression') return false;
    return second.value === first.value || second.value.startsWith(`${first.value}/`);
  }
  if (first.type === 'RegularExpression' && EVERY_PATH.has(first.value)) return true;
  return first.type === second.type && first.value === second.value;
}

type Condition = { readonly name: string; readonly type: string; readonly value: string };

function isSubset(first: readonly Condition[], second: readonly Condition[]): boolean {
  return first.every(({ name, type, value }) =>
    second.some((other) => other.name === name && other.type === type && other.value === value),
  );
}
