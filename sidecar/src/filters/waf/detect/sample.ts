/**
 * Shows what was found without telling secrets: words that attacks are made of stay; of every other word only its first letter does, of a number
 * of more than four digits nothing. Passwords, names and addresses that stand beside an attack are not readable.
 *
 * Invariant: what comes out is printable ASCII and no longer than `MOST_SAMPLE_LENGTH`.
 */
import { isDigit, isWordByte } from '../character.ts';
import { isProgram } from './command.ts';
import { MOST_SAMPLE_LENGTH } from './limits.ts';
import { isOperatorName } from './nosql-words.ts';
import { isSqlWord } from './sql-words.ts';
import { isScriptWord } from './xss.ts';

const LEAD = 16;
const MOST_DIGITS = 4;
const MOST_LETTERS = 2;
const STAR = '*';
const KEPT = new Set([
  'etc',
  'passwd',
  'shadow',
  'proc',
  'self',
  'bin',
  'prototype',
  'constructor',
  'javascript',
  'this',
  'src',
  'href',
  'ini',
  'env',
  'win',
  'dev',
  'tcp',
  'exe',
  'ifs',
  '__proto__',
]);

export function sampleOf(text: Uint8Array, start: number, end: number, position: number): string {
  let at = Math.max(start, position - LEAD);
  while (at > start && at < position && isWordByte(text[at - 1] as number)) at++;
  let sample = at > start ? '…' : '';
  while (at < end && sample.length < MOST_SAMPLE_LENGTH) {
    const byte = text[at] as number;
    if (!isWordByte(byte)) {
      sample += byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ';
      at++;
      continue;
    }
    let stop = at;
    while (stop < end && isWordByte(text[stop] as number) && stop < at + MOST_SAMPLE_LENGTH) stop++;
    sample += maskWord(text, at, stop);
    at = stop;
  }
  return sample.slice(0, MOST_SAMPLE_LENGTH);
}

function maskWord(text: Uint8Array, start: number, end: number): string {
  const word = Buffer.from(text.buffer, text.byteOffset + start, end - start).toString('latin1');
  if (isNumber(text, start, end)) return end - start <= MOST_DIGITS ? word : STAR.repeat(end - start);
  if (end - start <= MOST_LETTERS || isVocabulary(text, start, end) || KEPT.has(word.toLowerCase()))
    return asciiOf(word);
  return asciiOf(word.slice(0, 1)) + STAR.repeat(end - start - 1);
}

function asciiOf(word: string): string {
  return [...word].map((character) => (character < '\x7f' ? character : STAR)).join('');
}

function isNumber(text: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isDigit(text[i] as number)) return false;
  return true;
}

function isVocabulary(text: Uint8Array, start: number, end: number): boolean {
  return (
    isSqlWord(text, start, end) ||
    isProgram(text, start, end) ||
    isScriptWord(text, start, end) ||
    isOperatorName(text, start, end)
  );
}
