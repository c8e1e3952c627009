/**
 * Tells SQL injections by their tokens.
 *
 * A value is read as if the query had it where a number stands, and, if it has quotes, from behind its first quote of each kind, as if the query
 * had it in such quotes. What is looked for is how SQL goes on from there: an own condition, a set operation, a subquery, another statement, a
 * comment that cuts off the rest, a function that only attacks call. Words of everyday texts are not enough, wherever they stand.
 *
 * Invariant: time is linear in the value; of a long value the tokens are judged in pieces that overlap.
 */
import { indexOfByte, QUOTE, SLASH } from '../character.ts';
import { type RuleSet, Rules } from '../rules.ts';
import { MOST_SQL_TOKENS } from './limits.ts';
import { SqlTokens } from './sql-tokens.ts';
import * as Sql from './sql-words.ts';

/** Tokens of a piece that are judged again with the next. */
const OVERLAP = 32;
/** Tokens in which the end of a call, or the `from` of a `select`, is looked for. */
const REACH = 64;
const QUOTES = [0x27, 0x22, 0x60];

export class SqlDetector {
  private readonly tokens = new SqlTokens();
  private readonly found: RuleSet;
  private readonly level: number;

  constructor(found: RuleSet, level: number) {
    this.found = found;
    this.level = level;
  }

  inspect(text: Uint8Array, start: number, end: number, classes: number): void {
    this.inspectFrom(text, start, end, false, true);
    if ((classes & QUOTE) === 0) return;
    // Where a backslash stands before a quote, some databases see the end of a literal, and others do not.
    const readings = (classes & SLASH) !== 0 && hasEscapedQuote(text, start, end) ? 2 : 1;
    for (let reading = 0; reading < readings; reading++) {
      if (reading === 1) this.inspectFrom(text, start, end, false, false);
      for (const quote of QUOTES) {
        const at = indexOfByte(text, quote, start, end);
        if (at !== -1) this.inspectFrom(text, at + 1, end, true, reading === 0);
      }
    }
  }

  private inspectFrom(
    text: Uint8Array,
    start: number,
    end: number,
    isQuoted: boolean,
    escapes: boolean,
  ): void {
    const { tokens } = this;
    if (isQuoted) {
      // As in O'Connor: nothing follows a quote like this in SQL.
      tokens.read(text, start, end, 1, escapes);
      if (tokens.types[0] === Sql.NAME || tokens.types[0] === Sql.PARTICLE) return;
    }
    let at = start;
    for (let piece = 0; at < end; piece++) {
      const next = tokens.read(text, at, end, MOST_SQL_TOKENS, escapes);
      if (isQuoted && piece === 0) this.judgeBreakout();
      this.judge(isQuoted);
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

  /** What stands directly behind the quote that ended the query's own. */
  private judgeBreakout(): void {
    let i = 0;
    while (this.type(i) === Sql.RIGHT) i++;
    while (this.type(i) === Sql.STRING) i++;
    const next = i + 1;
    switch (this.type(i)) {
      case Sql.END:
        this.add(Rules.sqlQuoteEnd, Math.max(i - 1, 0));
        return;
      case Sql.COMMENT:
        if (!this.isQuoteBehind(i)) this.add(Rules.sqlBreakoutComment, i);
        return;
      case Sql.LOGIC:
        if (this.isCondition(next, true)) this.add(Rules.sqlBreakout, i);
        return;
      case Sql.COMPARISON:
      case Sql.WORD_COMPARISON:
        if (this.isCompared(i)) this.add(Rules.sqlBreakout, i);
        return;
      case Sql.NOT:
        if (this.type(next) === Sql.WORD_COMPARISON && this.isCompared(next)) this.add(Rules.sqlBreakout, i);
        return;
      case Sql.ARITHMETIC:
        this.judgeArithmetic(i);
        return;
      case Sql.SEMICOLON:
        if (this.type(next) === Sql.COMMENT || (this.type(next) === Sql.END && i === 0))
          this.add(this.type(next) === Sql.END ? Rules.sqlQuoteEnd : Rules.sqlBreakoutComment, i);
        return;
      case Sql.COMMA:
        this.judgeList(i);
        return;
      case Sql.ORDERING:
        if (this.type(next) === Sql.BY) this.add(Rules.sqlClause, i);
        return;
      case Sql.CLAUSE:
      case Sql.WHERE:
      case Sql.CASE:
        if (isLiteral(this.type(next)) || this.type(next) === Sql.LEFT) this.add(Rules.sqlBreakout, i);
        return;
      default:
        return;
    }
  }

  /** `'#'` is a character that somebody writes about. */
  private isQuoteBehind(index: number): boolean {
    const { types } = this.tokens;
    return types[index + 1] === Sql.OPEN && this.tokens.starts[index + 1] === this.tokens.ends[index];
  }

  /** `'+(select …)+'`, `'||(…)||'`, `'-sleep(5)-'`; with mere literals it is looked for from level 2 on. */
  private judgeArithmetic(index: number): void {
    let i = index + 1;
    while (this.type(i) === Sql.ARITHMETIC || this.type(i) === Sql.LEFT || this.type(i) === Sql.NOT) i++;
    const type = this.type(i);
    if (type === Sql.SELECT || type === Sql.CASE || type === Sql.VARIABLE || this.isCall(i)) {
      this.add(Rules.sqlBreakout, index);
      return;
    }
    if (type === Sql.OPEN || type === Sql.STRING) {
      this.add(Rules.sqlConcatenation, index);
      return;
    }
    if (type === Sql.NUMBER && this.tokens.has(Sql.COMMENT)) this.add(Rules.sqlBreakout, index);
  }

  /** `', (select …)) -- `: the rest of a list of values. */
  private judgeList(index: number): void {
    for (let i = index + 1; i < index + REACH; i++) {
      const type = this.type(i);
      if (type === Sql.END) return;
      if (type === Sql.SELECT || type === Sql.COMMENT || (type === Sql.VARIABLE && i === index + 1)) {
        this.add(Rules.sqlBreakout, index);
        return;
      }
    }
  }

  /** What is SQL wherever it stands. */
  private judge(isQuoted: boolean): void {
    const { tokens } = this;
    if (tokens.versionComment) this.add(Rules.sqlVersionComment, 0);
    for (let i = 0; i < tokens.count; i++) {
      switch (this.type(i)) {
        case Sql.UNION:
          if (this.isUnion(i + 1)) this.add(Rules.sqlUnion, i);
          break;
        case Sql.LOGIC:
          if (this.isCondition(i + 1, false)) this.add(Rules.sqlTautology, i);
          else if (isQuoted && this.isCondition(i + 1, true) && tokens.has(Sql.COMMENT))
            this.add(Rules.sqlTautology, i);
          break;
        case Sql.SELECT:
          this.judgeSelect(i);
          break;
        case Sql.SEMICOLON:
          if (this.isStatement(i + 1)) this.add(Rules.sqlStacked, i);
          break;
        case Sql.ATTACK:
          if (this.type(i + 1) === Sql.LEFT || this.type(i - 1) === Sql.VERB) this.add(Rules.sqlFunction, i);
          break;
        case Sql.WAIT:
          if (this.isWait(i)) this.add(Rules.sqlFunction, i);
          break;
        case Sql.ORDERING:
          if (this.isOrdering(i)) this.add(Rules.sqlClause, i);
          break;
        case Sql.CLAUSE:
          if (this.isClause(i)) this.add(Rules.sqlClause, i);
          break;
        case Sql.CASE:
          if (tokens.has(Sql.PARTICLE) && (this.type(i + 1) === Sql.LEFT || this.isCaseWhen(i)))
            this.add(Rules.sqlClause, i);
          break;
        case Sql.VERB:
          if (this.isStatement(i)) this.add(Rules.sqlStatement, i);
          break;
        case Sql.SCHEMA:
          if (tokens.has(Sql.FROM) || tokens.has(Sql.SELECT)) this.add(Rules.sqlSchema, i);
          break;
        case Sql.COMMENT:
          if (i === 1 && !isQuoted && this.type(0) === Sql.NUMBER) this.add(Rules.sqlQuoteEnd, i);
          break;
        default:
          break;
      }
    }
  }

  private isUnion(index: number): boolean {
    let i = index;
    while (this.type(i) === Sql.QUANTIFIER || this.type(i) === Sql.LEFT || this.type(i) === Sql.PARTICLE) i++;
    return this.type(i) === Sql.SELECT && this.isSelection(i + 1);
  }

  /** What follows `select` in SQL, and hardly in a sentence. */
  private isSelection(index: number): boolean {
    let i = index;
    while (this.type(i) === Sql.QUANTIFIER || this.type(i) === Sql.LEFT || this.type(i) === Sql.NOT) i++;
    const type = this.type(i);
    const next = this.type(i + 1);
    if (
      type === Sql.END ||
      type === Sql.ARITHMETIC ||
      isLiteral(type) ||
      type === Sql.CASE ||
      type === Sql.SELECT
    )
      return true;
    if (next === Sql.LEFT || next === Sql.COMMA || next === Sql.COMMENT) return true;
    if (next === Sql.FROM) return this.isTable(i + 2);
    if (type === Sql.ATTACK || type === Sql.SCHEMA) return true;
    return next === Sql.END && type === Sql.FUNCTION;
  }

  private isTable(index: number): boolean {
    const type = this.type(index);
    return type !== Sql.PARTICLE && type !== Sql.END && type !== Sql.QUANTIFIER;
  }

  private judgeSelect(index: number): void {
    const before = this.type(index - 1);
    if (index > 0 && (before === Sql.LEFT || before === Sql.COMPARISON) && this.isSelection(index + 1)) {
      this.add(Rules.sqlSubquery, index);
      return;
    }
    if (!this.isSelection(index + 1)) return;
    for (let i = index + 1; i < Math.min(index + REACH, this.tokens.count); i++) {
      if (this.type(i) === Sql.FROM && this.isTable(i + 1)) {
        this.add(Rules.sqlSelect, index);
        return;
      }
    }
    if (this.isCall(index + 1) || this.type(index + 1) === Sql.VARIABLE) this.add(Rules.sqlSelect, index);
  }

  private isCall(index: number): boolean {
    const type = this.type(index);
    return (
      this.type(index + 1) === Sql.LEFT &&
      (type === Sql.FUNCTION ||
        type === Sql.ATTACK ||
        type === Sql.WAIT ||
        type === Sql.VERB ||
        type === Sql.NAME)
    );
  }

  private isWait(index: number): boolean {
    if (this.type(index + 1) === Sql.LEFT) return true;
    return (
      this.type(index - 1) === Sql.VERB &&
      (this.type(index + 1) === Sql.STRING || this.type(index + 1) === Sql.OPEN)
    );
  }

  private isOrdering(index: number): boolean {
    if (this.type(index + 1) !== Sql.BY) return false;
    const type = this.type(index + 2);
    const behind = this.type(index + 3);
    if (type !== Sql.NUMBER && type !== Sql.NAME)
      return type === Sql.LEFT && this.type(index + 3) === Sql.SELECT;
    return (
      behind === Sql.COMMENT ||
      behind === Sql.CLAUSE ||
      (type === Sql.NUMBER && behind === Sql.COMMA) ||
      (type === Sql.NUMBER && behind === Sql.END && index > 0)
    );
  }

  /** `having 1=1`, `procedure analyse(`, `into outfile '`, `limit 1,1`. */
  private isClause(index: number): boolean {
    const type = this.type(index + 1);
    const behind = this.type(index + 2);
    if (type === Sql.PARTICLE) return behind === Sql.LEFT || behind === Sql.STRING || behind === Sql.OPEN;
    return (
      (isLiteral(type) || type === Sql.NAME) &&
      (behind === Sql.COMPARISON || behind === Sql.COMMENT) &&
      isLiteral(this.type(index + 3))
    );
  }

  private isCaseWhen(index: number): boolean {
    return (
      this.type(index + 1) === Sql.PARTICLE &&
      this.type(index + 2) !== Sql.CASE &&
      this.isCondition(index + 2, false)
    );
  }

  /** A comparison whose other side is one, too. */
  private isCompared(index: number): boolean {
    let i = index + 1;
    while (isSign(this.type(i)) || this.type(i) === Sql.COMPARISON || this.type(i) === Sql.WORD_COMPARISON)
      i++;
    const type = this.type(i);
    if (this.type(index) === Sql.COMPARISON)
      return isLiteral(type) || this.isCall(i) || type === Sql.SELECT || type === Sql.CASE;
    return isLiteral(type) || type === Sql.SELECT || (type === Sql.FUNCTION && this.isCall(i));
  }

  /** Behind `and`, `or`: what can be true or false. `isLoose` where a quote or a comment tells of SQL already. */
  private isCondition(index: number, isLoose: boolean): boolean {
    let i = index;
    while (isSign(this.type(i))) i++;
    const type = this.type(i);
    if (type === Sql.SELECT) return this.isSelection(i + 1);
    if (type === Sql.CASE) return this.isCaseWhen(i);
    if (this.isCall(i)) {
      if (type === Sql.ATTACK || type === Sql.WAIT) return true;
      if (type === Sql.FUNCTION && (isLoose || this.isComparedBehindCall(i + 1))) return true;
      return type !== Sql.NAME || this.isComparedBehindCall(i + 1);
    }
    if (isLiteral(type)) {
      const behind = this.skipRight(i + 1);
      const after = this.type(behind);
      if (after === Sql.COMPARISON) return this.isCompared(behind);
      if (after === Sql.WORD_COMPARISON)
        return (
          this.isCompared(behind) && (isLoose || type !== Sql.NUMBER || isLiteral(this.type(behind + 1)))
        );
      if (after === Sql.NOT && this.type(behind + 1) === Sql.WORD_COMPARISON) return true;
      if (after === Sql.COMMENT || after === Sql.SEMICOLON) return true;
      if (type === Sql.OPEN) return isLoose && this.isShortLiteral(i);
      return (
        isLoose &&
        (after === Sql.END || after === Sql.LOGIC || after === Sql.ARITHMETIC || after === Sql.UNION)
      );
    }
    if (type === Sql.NAME || type === Sql.FUNCTION || type === Sql.OBJECT || type === Sql.SCHEMA) {
      const after = this.type(i + 1);
      if (after === Sql.COMPARISON) return isLoose ? this.isCompared(i + 1) : this.isSameName(i);
      if (after === Sql.WORD_COMPARISON || after === Sql.NOT)
        return isLoose && this.isCompared(after === Sql.NOT ? i + 2 : i + 1);
    }
    return false;
  }

  private isComparedBehindCall(left: number): boolean {
    const behind = this.skipCall(left);
    const type = this.type(behind);
    return type === Sql.COMPARISON || type === Sql.WORD_COMPARISON || type === Sql.COMMENT;
  }

  /** Behind the parenthesis that closes the one at `left`. */
  private skipCall(left: number): number {
    let depth = 0;
    for (let i = left; i < Math.min(left + REACH, this.tokens.count); i++) {
      if (this.type(i) === Sql.LEFT) depth++;
      else if (this.type(i) === Sql.RIGHT && --depth === 0) return i + 1;
    }
    return this.tokens.count;
  }

  private skipRight(index: number): number {
    let i = index;
    while (this.type(i) === Sql.RIGHT) i++;
    return i;
  }

  /** `or 'x`: what an own quote of the query ends. */
  private isShortLiteral(index: number): boolean {
    return index + 1 >= this.tokens.count;
  }

  /** `or a=a`, and `or a=1`. */
  private isSameName(index: number): boolean {
    return isLiteral(this.type(index + 2)) && this.type(index + 2) !== Sql.CONSTANT;
  }

  /** Whether a statement begins here, with what it cannot do without. */
  private isStatement(index: number): boolean {
    const type = this.type(index);
    const next = this.type(index + 1);
    if (type === Sql.SELECT) return this.isSelection(index + 1);
    if (type !== Sql.VERB) return false;
    if (next === Sql.OBJECT || next === Sql.VARIABLE || next === Sql.ATTACK) return true;
    if (next === Sql.WAIT) return this.type(index + 2) === Sql.STRING || this.type(index + 2) === Sql.OPEN;
    const after = this.type(index + 2);
    if (next === Sql.CLAUSE && after === Sql.NAME)
      return (
        this.type(index + 3) === Sql.LEFT ||
        this.type(index + 3) === Sql.CLAUSE ||
        this.type(index + 3) === Sql.SELECT
      );
    if (next === Sql.FROM)
      return (
        after === Sql.NAME &&
        (this.type(index + 3) === Sql.WHERE ||
          this.type(index + 3) === Sql.COMMENT ||
          this.type(index + 3) === Sql.SEMICOLON)
      );
    return (
      next === Sql.NAME &&
      after === Sql.PARTICLE &&
      this.type(index + 3) === Sql.NAME &&
      this.type(index + 4) === Sql.COMPARISON
    );
  }
}

function isLiteral(type: number): boolean {
  return (
    type === Sql.NUMBER ||
    type === Sql.STRING ||
    type === Sql.OPEN ||
    type === Sql.CONSTANT ||
    type === Sql.VARIABLE
  );
}

/** What may stand before an operand. */
function isSign(type: number): boolean {
  return type === Sql.LEFT || type === Sql.NOT || type === Sql.ARITHMETIC;
}

function hasEscapedQuote(text: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i + 1 < end; i++) {
    if (text[i] === 0x5c && (text[i + 1] === 0x27 || text[i + 1] === 0x22)) return true;
  }
  return false;
}
