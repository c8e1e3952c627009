/**
 * Tells SQL injections by their tokens.
 *
 * A value is read as if the query had it where a number stands, and, if it has quotes, from behind its first quote of each kind, as if the query
 * had it in such quotes. What is looked for is how SQL goes on from there: an own condition, a set operation, a subquery, another statement, a
 * comment that cuts off the rest, a function that only attacks call. Words of everyday texts are not enough, wherever they stand.
 *
 * Invariant: time is linear in the value; of a long value the tokens are judged in pieces that overlap.
 */
import { APOSTROPHE, BACKSLASH, BACKTICK, DOUBLE_QUOTE, indexOfByte, isSpace, QUOTE } from '../character.ts';
import { type RuleSet, Rules } from '../rules.ts';
import { MOST_SQL_TOKENS } from './limits.ts';
import { SqlGrammar } from './sql-grammar.ts';
import { SqlTokens } from './sql-tokens.ts';
import * as Sql from './sql-words.ts';
import { isLiteral, isSign } from './sql-words.ts';

/** Tokens of a piece that are judged again with the next. */
const OVERLAP = 32;
/** Tokens of a list of values that are looked at. */
const REACH = 64;
const BACKTICK_BYTE = 0x60;
const QUOTES: readonly (readonly [byte: number, classes: number])[] = [
  [0x27, APOSTROPHE],
  [0x22, DOUBLE_QUOTE],
  [BACKTICK_BYTE, BACKTICK],
];

export class SqlDetector {
  private readonly tokens = new SqlTokens();
  private readonly grammar = new SqlGrammar(this.tokens);
  private readonly found: RuleSet;
  private readonly level: number;
  /** A space stands before the quote, as where somebody quotes a sign: the "+" key. */
  private isWordQuoted = false;
  /** Up to where the tokens can be SQL. */
  private extent = 0;

  constructor(found: RuleSet, level: number) {
    this.found = found;
    this.level = level;
  }

  inspect(text: Uint8Array, start: number, end: number, classes: number): void {
    this.inspectFrom(text, start, end, 0, true);
    if ((classes & QUOTE) === 0) return;
    // Where a backslash stands before a quote, some databases see the end of a literal, and others do not.
    const readings = (classes & BACKSLASH) !== 0 && hasEscapedQuote(text, start, end) ? 2 : 1;
    for (let reading = 0; reading < readings; reading++) {
      if (reading === 1) this.inspectFrom(text, start, end, 0, false);
      for (const [quote, itsClass] of QUOTES) {
        if ((classes & itsClass) === 0) continue;
        const at = indexOfByte(text, quote, start, end);
        this.isWordQuoted = at > start && isSpace(text[at - 1] as number);
        if (at !== -1) this.inspectFrom(text, at + 1, end, quote, reading === 0);
      }
    }
  }

  /** `quote`: the one that the query has before it, or 0. */
  private inspectFrom(text: Uint8Array, start: number, end: number, quote: number, escapes: boolean): void {
    const { tokens, grammar } = this;
    tokens.begin(text, end, escapes);
    if (quote !== 0) {
      // As in O'Connor: nothing follows a quote like this in SQL.
      tokens.read(start, 1);
      const type = tokens.types[0];
      if (type === Sql.NAME || type === Sql.PARTICLE || type === Sql.ENGLISH) return;
    }
    grammar.quote = quote;
    let at = start;
    for (let piece = 0; at < end; piece++) {
      const next = tokens.read(at, MOST_SQL_TOKENS);
      if (tokens.versionCommentAt !== -1) this.found.add(Rules.sqlVersionComment, tokens.versionCommentAt);
      if (tokens.splitWordAt !== -1) this.found.add(Rules.sqlSplitWord, tokens.splitWordAt);
      this.extent = grammar.extent();
      if (this.extent > 0) {
        if (quote !== 0 && piece === 0) this.judgeBreakout(start);
        // Backticks are what Markdown has its code in.
        if (quote !== BACKTICK_BYTE) this.judge(quote !== 0);
      }
      if (next >= end) return;
      at = Math.max(tokens.starts[tokens.count - OVERLAP] as number, at + 1);
    }
  }

  private type(index: number): number {
    return this.tokens.types[index] as number;
  }

  private add(rule: (typeof Rules)[keyof typeof Rules], index: number): void {
    if (rule.level <= this.level) this.found.add(rule, this.tokens.starts[index] as number);
  }

  private addQuoteEnd(position: number): void {
    if (Rules.sqlQuoteEnd.level <= this.level) this.found.add(Rules.sqlQuoteEnd, position);
  }

  /** What stands directly behind the quote that ended the query's own. */
  private judgeBreakout(start: number): void {
    const { grammar } = this;
    let i = 0;
    while (this.type(i) === Sql.RIGHT) i++;
    while (this.type(i) === Sql.STRING) i++;
    const next = i + 1;
    switch (this.type(i)) {
      case Sql.END:
        this.addQuoteEnd(start);
        return;
      case Sql.COMMENT:
        if (!this.isQuoteBehind(i)) this.add(Rules.sqlBreakoutComment, i);
        return;
      case Sql.LOGIC:
        if (grammar.isCondition(next, true)) this.add(Rules.sqlBreakout, i);
        return;
      case Sql.COMPARISON:
      case Sql.WORD_COMPARISON:
        if (grammar.isCompared(i)) this.add(Rules.sqlBreakout, i);
        return;
      case Sql.NOT:
        if (this.type(next) === Sql.WORD_COMPARISON && grammar.isCompared(next))
          this.add(Rules.sqlBreakout, i);
        return;
      case Sql.ARITHMETIC:
        this.judgeArithmetic(i);
        return;
      case Sql.SEMICOLON:
        if (this.type(next) === Sql.COMMENT) this.add(Rules.sqlBreakoutComment, i);
        else if (this.type(next) === Sql.END) this.addQuoteEnd(start);
        return;
      case Sql.COMMA:
        this.judgeList(i);
        return;
      case Sql.ORDERING:
        if (this.type(next) === Sql.BY) this.add(Rules.sqlClause, i);
        return;
      case Sql.UNION:
        if (grammar.isUnion(next)) this.add(Rules.sqlUnion, i);
        return;
      case Sql.CLAUSE:
      case Sql.WHERE:
        if (this.type(next) === Sql.NUMBER || this.type(next) === Sql.STRING) this.add(Rules.sqlBreakout, i);
        return;
      default:
        return;
    }
  }

  /** `'#'` is a character that somebody writes about. */
  private isQuoteBehind(index: number): boolean {
    return this.type(index + 1) === Sql.OPEN && this.tokens.starts[index + 1] === this.tokens.ends[index];
  }

  /** `'+(select …)+'`, `'||(…)||'`, `'-sleep(5)-'`; with mere literals it is looked for from level 2 on. */
  private judgeArithmetic(index: number): void {
    let i = index + 1;
    while (isSign(this.type(i))) i++;
    const type = this.type(i);
    if (type === Sql.SELECT || type === Sql.CASE || type === Sql.VARIABLE || this.grammar.isCall(i))
      this.add(Rules.sqlBreakout, index);
    else if (type === Sql.OPEN || type === Sql.STRING) {
      if (!this.isWordQuoted) this.add(Rules.sqlConcatenation, index);
    } else if (type === Sql.NUMBER && this.tokens.has(Sql.COMMENT)) this.add(Rules.sqlBreakout, index);
  }

  /** `', (select …)) -- `: the rest of a list of values. */
  private judgeList(index: number): void {
    for (let i = index + 1; i < Math.min(index + REACH, this.extent); i++) {
      const type = this.type(i);
      if (type === Sql.SELECT || type === Sql.COMMENT || (type === Sql.VARIABLE && i === index + 1)) {
        this.add(Rules.sqlBreakout, index);
        return;
      }
    }
  }

  /** What is SQL wherever it stands. */
  private judge(isQuoted: boolean): void {
    const isCut = isQuoted && this.tokens.has(Sql.COMMENT);
    for (let i = 0; i < this.extent; i++) {
      const rule = this.ruleAt(i, isCut);
      if (rule !== null) this.add(rule, i);
    }
  }

  private ruleAt(index: number, isCut: boolean): (typeof Rules)[keyof typeof Rules] | null {
    const { grammar } = this;
    switch (this.type(index)) {
      case Sql.UNION:
        return grammar.isUnion(index + 1) ? Rules.sqlUnion : null;
      case Sql.LOGIC:
        return grammar.isCondition(index + 1, isCut) ? Rules.sqlTautology : null;
      case Sql.SELECT:
        return this.ruleOfSelect(index);
      case Sql.SEMICOLON:
        return grammar.isStatement(index + 1) ? Rules.sqlStacked : null;
      case Sql.ATTACK:
        return grammar.isAttack(index) ? Rules.sqlFunction : null;
      case Sql.WAIT:
        return grammar.isWait(index) ? Rules.sqlFunction : null;
      case Sql.FUNCTION:
        return grammar.isChoice(index) ? Rules.sqlFunction : null;
      case Sql.CAST:
        return index > 0 && this.isCastable(this.type(index - 1)) ? Rules.sqlCast : null;
      case Sql.ORDERING:
        return grammar.isOrdering(index) ? Rules.sqlClause : null;
      case Sql.CLAUSE:
        return grammar.isClause(index) ? Rules.sqlClause : null;
      case Sql.WHERE:
        return grammar.isWhere(index + 1) ? Rules.sqlClause : null;
      case Sql.CASE:
        return grammar.isCase(index) ? Rules.sqlClause : null;
      case Sql.VERB:
        if (grammar.isStatement(index)) return Rules.sqlStatement;
        if (grammar.isChoice(index)) return Rules.sqlFunction;
        return grammar.isShortStatement(index) ? Rules.sqlShortStatement : null;
      case Sql.EXECUTE:
        return grammar.isStatement(index) ? Rules.sqlStatement : null;
      case Sql.SCHEMA:
        return this.tokens.has(Sql.FROM) || this.tokens.has(Sql.SELECT) ? Rules.sqlSchema : null;
      default:
        return null;
    }
  }

  private ruleOfSelect(index: number): (typeof Rules)[keyof typeof Rules] | null {
    const { grammar } = this;
    if (!grammar.isSelection(index + 1)) return null;
    const before = index === 0 ? Sql.END : this.type(index - 1);
    if (before === Sql.LEFT || before === Sql.COMPARISON) return Rules.sqlSubquery;
    if (before !== Sql.END && before !== Sql.UNION && before !== Sql.QUANTIFIER && !isSign(before))
      return null;
    if (grammar.hasTable(index + 1) || grammar.isCall(index + 1) || this.type(index + 1) === Sql.VARIABLE)
      return Rules.sqlSelect;
    return null;
  }

  private isCastable(type: number): boolean {
    return isLiteral(type) || type === Sql.RIGHT || type === Sql.FUNCTION;
  }
}

function hasEscapedQuote(text: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i + 1 < end; i++) {
    if (text[i] === 0x5c && (text[i + 1] === 0x27 || text[i + 1] === 0x22)) return true;
  }
  return false;
}
