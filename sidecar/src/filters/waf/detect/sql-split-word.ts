/** `un/**\/ion`: what is left when a filter cuts comments out. Globs such as `src/**\/test` look alike, so the whole has to be a word of SQL. */
import { isWordByte } from '../character.ts';
import { FROM, LOGIC, SELECT, SQL_WORDS, UNION, VERB, WHERE } from './sql-words.ts';

const LONGEST_HALF = 12;
const joined = new Uint8Array(2 * LONGEST_HALF);

/** Whether the comment at `text[start, end)` is within such a word; `limit` is where the text ends. */
export function isWordSplit(text: Uint8Array, start: number, end: number, limit: number): boolean {
  let from = start;
  while (from > 0 && start - from < LONGEST_HALF && isWordByte(text[from - 1] as number)) from--;
  let to = end;
  while (to < limit && to - end < LONGEST_HALF && isWordByte(text[to] as number)) to++;
  if (from === start || to === end) return false;
  let length = 0;
  for (let i = from; i < start; i++) joined[length++] = text[i] as number;
  for (let i = end; i < to; i++) joined[length++] = text[i] as number;
  const type = SQL_WORDS.find(joined, 0, length);
  return (
    type === UNION || type === SELECT || type === LOGIC || type === VERB || type === WHERE || type === FROM
  );
}
