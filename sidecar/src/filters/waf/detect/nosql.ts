/**
 * Tells injections into document stores: operators as keys, in JSON and in the names of forms and queries (`user[$ne]`), operators and JavaScript
 * in texts, and keys that reach the prototype of all objects.
 */
import { beginsWith, CLASS, isLetter, isSpace, MARK, SHELL, SPACE, SYNTAX } from '../character.ts';
import { type RuleSet, Rules } from '../rules.ts';
import { WordTable } from '../words.ts';
import { HARMLESS, OPERATOR, OPERATORS, QUERY_OPTION, STAGE, UPDATE } from './nosql-words.ts';

/** Looks at the name of a member, or (`isField`) of a field with its path in brackets or dots. */
export function inspectName(
  text: Uint8Array,
  start: number,
  end: number,
  isField: boolean,
  found: RuleSet,
  level: number,
): void {
  let previousIsConstructor = false;
  let segment = start;
  while (segment <= end) {
    let stop = segment;
    while (stop < end && !isSeparator(text[stop] as number)) stop++;
    if (text[segment] === 0x24 && stop > segment + 1)
      judgeOperator(text, segment, stop, isField && segment === start && stop === end, found, level);
    if (isProto(text, segment, stop) || (previousIsConstructor && isPrototype(text, segment, stop)))
      found.add(Rules.prototypeKey, segment);
    if (stop > segment) previousIsConstructor = isConstructor(text, segment, stop);
    segment = stop + 1;
  }
}

/** `isWhole`: it is the name of a field, and not a part of one, as options of OData are. */
function judgeOperator(
  text: Uint8Array,
  start: number,
  end: number,
  isWhole: boolean,
  found: RuleSet,
  level: number,
): void {
  const kind = OPERATORS.find(text, start + 1, end);
  if (kind === HARMLESS || (kind === 0 && !isLetter(text[start + 1] as number))) return;
  const rule = ruleOf(kind, isWhole);
  if (rule.level <= level) found.add(rule, start);
}

function ruleOf(kind: number, isWhole: boolean): (typeof Rules)[keyof typeof Rules] {
  if (kind === OPERATOR) return Rules.nosqlOperator;
  if (kind === STAGE || (kind === QUERY_OPTION && !isWhole)) return Rules.nosqlStage;
  return kind === UPDATE ? Rules.nosqlUpdate : Rules.nosqlUnknown;
}

/** `[`, `]`, `.` */
function isSeparator(byte: number): boolean {
  return byte === 0x5b || byte === 0x5d || byte === 0x2e;
}

const PROTO = Buffer.from('__proto__');
const CONSTRUCTOR = Buffer.from('constructor');
const PROTOTYPE = Buffer.from('prototype');

export function isProto(text: Uint8Array, start: number, end: number): boolean {
  return isWord(text, start, end, PROTO);
}

export function isConstructor(text: Uint8Array, start: number, end: number): boolean {
  return isWord(text, start, end, CONSTRUCTOR);
}

export function isPrototype(text: Uint8Array, start: number, end: number): boolean {
  return isWord(text, start, end, PROTOTYPE);
}

function isWord(text: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (text[start + i] !== word[i]) return false;
  return true;
}

/** Of the bytes at which something is looked for: `$`, `.`, `[`, `(`, and the space behind `return`. */
const TELLING = SHELL | MARK | SYNTAX | SPACE;

/** Looks for operators and JavaScript in a text. */
export function inspectNosqlText(text: Uint8Array, start: number, end: number, found: RuleSet): void {
  for (let i = start; i < end; i++) {
    const byte = text[i] as number;
    if (((CLASS[byte] as number) & TELLING) === 0) continue;
    if (byte === 0x24) judgeTextOperator(text, i, start, end, found);
    else if (i > start && mayEndScript(byte, text[i - 1] as number))
      judgeScript(text, i + 1, start, end, found);
  }
}

/** An operator that names a value: `$ne:`, `"$ne" :`, `[$ne]`. */
function judgeTextOperator(text: Uint8Array, at: number, start: number, end: number, found: RuleSet): void {
  let stop = at + 1;
  while (stop < end && isLetter(text[stop] as number)) stop++;
  if (stop === at + 1) return;
  const kind = OPERATORS.find(text, at + 1, stop);
  if (kind !== OPERATOR) return;
  const isBracketed = at > start && text[at - 1] === 0x5b && text[stop] === 0x5d && stop < end;
  if (isBracketed) {
    found.add(Rules.nosqlText, at);
    return;
  }
  let i = stop;
  while (i < end && (isSpace(text[i] as number) || text[i] === 0x22 || text[i] === 0x27)) i++;
  if (i < end && text[i] === 0x3a && isValueAt(text, i + 1, end)) found.add(Rules.nosqlText, at);
}

/** Not a type, as behind the variables of GraphQL: `$where: Filter!`, `$in: [ID!]`. */
function isValueAt(text: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end && isSpace(text[at] as number)) at++;
  if (at >= end) return false;
  const byte = text[at] as number;
  if (byte === 0x5b) return at + 1 < end && !isLetter(text[at + 1] as number);
  return !isLetter(byte) || (byte >= 0x61 && VALUES.some((word) => beginsWith(text, at, end, word)));
}

const VALUES = ['null', 'true', 'false', 'this', 'function'].map((word) => Buffer.from(word));

/** The last two bytes of `this.`, `db.`, `this[`, `date(` and `return `. */
function mayEndScript(byte: number, before: number): boolean {
  if (byte === 0x20) return before === 0x6e;
  if (byte === 0x2e) return before === 0x73 || before === 0x62;
  return (byte === 0x5b && before === 0x73) || (byte === 0x28 && before === 0x65);
}

/** What `$where` takes: `this.a`, `db.a.find(`, `function(`, `return `. */
function judgeScript(text: Uint8Array, at: number, start: number, end: number, found: RuleSet): void {
  for (const [word, follows] of SCRIPTS) {
    const begin = at - word.length;
    if (begin < start || !beginsWith(text, begin, at, word)) continue;
    if (begin > start && isNamePart(text[begin - 1] as number)) continue;
    if (!follows(text, at, end)) continue;
    found.add(Rules.nosqlScript, begin);
    return;
  }
}

type Follows = (text: Uint8Array, at: number, end: number) => boolean;

const COLLECTION_METHODS = new WordTable({
  1: 'find findone insert insertone insertmany update updateone updatemany remove deleteone deletemany drop aggregate count mapreduce save eval',
});

const SCRIPTS: readonly (readonly [Uint8Array, Follows])[] = [
  [Buffer.from('this.'), isComparedMember],
  [Buffer.from('this['), isQuoteAt],
  [Buffer.from('db.'), isCollectionCall],
  [Buffer.from('new date('), isCallEnd],
  [Buffer.from('return '), isReturnedTruth],
];

/** `this.a == `, `this.a.match(`, `this.a.length` */
function isComparedMember(text: Uint8Array, at: number, end: number): boolean {
  const limit = Math.min(end, at + LONGEST_MEMBER);
  let i = at;
  while (i < limit && (isNamePart(text[i] as number) || text[i] === 0x2e)) i++;
  if (i === at || text[at] === 0x2e) return false;
  while (i < end && isSpace(text[i] as number)) i++;
  const byte = i < end ? (text[i] as number) : 0;
  return byte === 0x3d || byte === 0x21 || byte === 0x3e || byte === 0x3c || byte === 0x28 || byte === 0x5b;
}

function isQuoteAt(text: Uint8Array, at: number, end: number): boolean {
  return at < end && (text[at] === 0x27 || text[at] === 0x22);
}

function isCollectionCall(text: Uint8Array, at: number, end: number): boolean {
  const limit = Math.min(end, at + LONGEST_MEMBER);
  let i = at;
  let word = at;
  while (i < limit && (isNamePart(text[i] as number) || text[i] === 0x2e)) {
    if (text[i] === 0x2e) word = i + 1;
    i++;
  }
  return i < end && text[i] === 0x28 && COLLECTION_METHODS.find(text, word, i) !== 0;
}

/** `new Date()` behind which a statement ends. */
function isCallEnd(text: Uint8Array, at: number, end: number): boolean {
  return at + 1 < end && text[at] === 0x29 && (text[at + 1] === 0x3b || text[at + 1] === 0x2d);
}

/** `return true`, `return 1`, `return (` */
function isReturnedTruth(text: Uint8Array, at: number, end: number): boolean {
  return beginsWith(text, at, end, TRUE) && hasByte(text, at, end, 0x7d, 0x3b);
}

/** Of members and collections that are looked at. */
const LONGEST_MEMBER = 64;
const TRUE = Buffer.from('true');

function hasByte(text: Uint8Array, at: number, end: number, one: number, other: number): boolean {
  const close = Math.min(end, at + 32);
  for (let i = at; i < close; i++) if (text[i] === one || text[i] === other) return true;
  return false;
}

function isNamePart(byte: number): boolean {
  return isLetter(byte) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte === 0x24;
}
