/**
 * The closed list of rules: what a hit means, how grave it is, and from which paranoia level on it is looked for.
 *
 * Invariants: ids are stable, because exceptions, dashboards and alerts name them; scores and levels are those of the OWASP Core Rule Set:
 * critical 5, error 4, warning 3, notice 2, and paranoia 1 to 4, of which 1 to 3 are used here.
 */
export type RuleTag =
  | 'sqli'
  | 'nosqli'
  | 'prototype-pollution'
  | 'traversal'
  | 'command'
  | 'xss'
  | 'protocol';

export interface Rule {
  readonly id: string;
  readonly tag: RuleTag;
  readonly score: number;
  readonly level: number;
  /** Position in `RULES`. */
  readonly index: number;
}

const CRITICAL = 5;
const ERROR = 4;
const WARNING = 3;
const NOTICE = 2;

const rules: Rule[] = [];

function define(tag: RuleTag, id: string, score: number, level = 1): Rule {
  const rule = Object.freeze({ id, tag, score, level, index: rules.length });
  rules.push(rule);
  return rule;
}

export const Rules = Object.freeze({
  sqlUnion: define('sqli', 'sqli-union', CRITICAL),
  sqlTautology: define('sqli', 'sqli-tautology', CRITICAL),
  sqlBreakout: define('sqli', 'sqli-breakout', CRITICAL),
  sqlBreakoutComment: define('sqli', 'sqli-breakout-comment', CRITICAL),
  sqlStacked: define('sqli', 'sqli-stacked', CRITICAL),
  sqlFunction: define('sqli', 'sqli-function', CRITICAL),
  sqlSchema: define('sqli', 'sqli-schema', ERROR),
  sqlSubquery: define('sqli', 'sqli-subquery', CRITICAL),
  sqlVersionComment: define('sqli', 'sqli-version-comment', CRITICAL),
  sqlSelect: define('sqli', 'sqli-select', CRITICAL, 2),
  sqlStatement: define('sqli', 'sqli-statement', CRITICAL),
  sqlShortStatement: define('sqli', 'sqli-short-statement', WARNING, 2),
  sqlSplitWord: define('sqli', 'sqli-split-word', CRITICAL),
  sqlCast: define('sqli', 'sqli-cast', CRITICAL, 2),
  sqlConcatenation: define('sqli', 'sqli-concatenation', CRITICAL, 2),
  sqlClause: define('sqli', 'sqli-clause', CRITICAL),
  sqlQuoteEnd: define('sqli', 'sqli-quote-end', WARNING, 3),

  nosqlOperator: define('nosqli', 'nosqli-operator', CRITICAL),
  nosqlStage: define('nosqli', 'nosqli-stage', CRITICAL),
  nosqlScript: define('nosqli', 'nosqli-script', CRITICAL),
  nosqlText: define('nosqli', 'nosqli-operator-text', CRITICAL),
  nosqlUpdate: define('nosqli', 'nosqli-update', CRITICAL, 2),
  nosqlUnknown: define('nosqli', 'nosqli-unknown-operator', CRITICAL, 3),
  prototypeKey: define('prototype-pollution', 'prototype-key', CRITICAL),

  traversal: define('traversal', 'traversal-path', CRITICAL),
  traversalFile: define('traversal', 'traversal-file', CRITICAL),
  traversalOnce: define('traversal', 'traversal-once', WARNING, 2),
  nulByte: define('traversal', 'nul-byte', CRITICAL),

  commandChain: define('command', 'command-chain', CRITICAL),
  commandSubstitution: define('command', 'command-substitution', CRITICAL),
  commandShell: define('command', 'command-shell', CRITICAL),

  xssTag: define('xss', 'xss-tag', CRITICAL),
  xssHandler: define('xss', 'xss-handler', CRITICAL),
  xssScheme: define('xss', 'xss-scheme', CRITICAL),
  xssScript: define('xss', 'xss-script', CRITICAL, 2),
  xssMarkup: define('xss', 'xss-markup', WARNING, 2),
  xssAnyTag: define('xss', 'xss-any-tag', CRITICAL, 3),

  duplicateKey: define('protocol', 'json-duplicate-key', NOTICE, 2),
  overEncoded: define('protocol', 'encoded-too-often', WARNING, 2),
});

/** By index. */
export const RULES: readonly Rule[] = Object.freeze(rules);
export const RULE_TAGS: readonly RuleTag[] = Object.freeze([...new Set(rules.map(({ tag }) => tag))]);

/** What was found in the value that is being looked at: each rule once. Shared by all detectors, which run one after another. */
export class RuleSet {
  count = 0;
  /** Indices, in the order in which they were found, and where in the text. */
  readonly indices = new Uint8Array(RULES.length);
  readonly positions = new Uint32Array(RULES.length);
  private readonly present = new Uint8Array(RULES.length);

  add({ index }: Rule, position: number): void {
    if (this.present[index] === 1) return;
    this.present[index] = 1;
    this.positions[this.count] = position;
    this.indices[this.count++] = index;
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.present[this.indices[i] as number] = 0;
    this.count = 0;
  }
}
