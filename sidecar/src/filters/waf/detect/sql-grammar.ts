/**
 * What tokens of SQL are together: conditions, selections, statements, calls. Not a parser: each question looks at the few tokens that tell SQL
 * from a sentence.
 *
 * Invariant: a question about one token looks at a bounded number of others, or at none that a question about another token looks at, too.
 */
import type { SqlTokens } from './sql-tokens.ts';
import * as Sql from './sql-words.ts';
import { isLiteral, isSign } from './sql-words.ts';

/** Tokens in which the end of a call, or the `from` of a `select`, is looked for. */
const REACH = 64;
/** Names in a row; a word of English counts twice. */
const PROSE = 3;

export class SqlGrammar {
  /** The quote that the query has before the tokens, or 0. */
  quote = 0;
  private readonly tokens: SqlTokens;

  constructor(tokens: SqlTokens) {
    this.tokens = tokens;
  }

  type(index: number): number {
    return this.tokens.types[index] as number;
  }

  /**
   * Up to where this can be SQL: words in a row that no query has make it prose, and so all of it none. What stands behind the mark of a comment
   * need not be SQL.
   */
  extent(): number {
    let run = 0;
    let comment = -1;
    for (let i = 0; i < this.tokens.count; i++) {
      const type = this.type(i);
      if (type === Sql.PARTICLE) continue;
      if (type === Sql.COMMENT && comment === -1) comment = i;
      run = type === Sql.NAME ? run + 1 : type === Sql.ENGLISH ? run + 2 : 0;
      if (run >= PROSE) return comment === -1 ? 0 : comment + 1;
    }
    return this.tokens.count;
  }

  /** Behind `union`. */
  isUnion(index: number): boolean {
    let i = index;
    while (this.type(i) === Sql.QUANTIFIER || this.type(i) === Sql.LEFT) i++;
    return this.type(i) === Sql.SELECT && (this.isSelection(i + 1) || this.hasTable(i + 1));
  }

  /** What follows `select` in SQL, and hardly in a sentence. */
  isSelection(index: number): boolean {
    let i = index;
    while (this.type(i) === Sql.QUANTIFIER || this.type(i) === Sql.LEFT || this.type(i) === Sql.NOT) i++;
    const type = this.type(i);
    const next = this.type(i + 1);
    if (type === Sql.END || type === Sql.ARITHMETIC || isLiteral(type) || type === Sql.CASE) return true;
    if (type === Sql.SELECT || type === Sql.ATTACK || type === Sql.SCHEMA || type === Sql.COMMENT)
      return true;
    if (type === Sql.ENGLISH) return false;
    if (type === Sql.FROM) return i > index && this.isTable(i + 1);
    if (this.isCall(i) || next === Sql.COMMA || next === Sql.COMMENT) return true;
    if (next === Sql.FROM) return this.isTable(i + 2);
    return next === Sql.END && type === Sql.FUNCTION;
  }

  isTable(index: number): boolean {
    const type = this.type(index);
    return (
      type === Sql.NAME ||
      type === Sql.SCHEMA ||
      type === Sql.FUNCTION ||
      type === Sql.LEFT ||
      type === Sql.OBJECT ||
      type === Sql.STRING ||
      type === Sql.OPEN ||
      type === Sql.ATTACK ||
      type === Sql.WHERE
    );
  }

  /** A `from` with its table, in reach of a `select`. */
  hasTable(index: number): boolean {
    const end = Math.min(index + REACH, this.tokens.count);
    for (let i = index; i < end; i++) if (this.type(i) === Sql.FROM && this.isTable(i + 1)) return true;
    return false;
  }

  /** What only looks like a name stands directly before its parenthesis. */
  isCall(index: number): boolean {
    if (this.type(index + 1) !== Sql.LEFT) return false;
    const type = this.type(index);
    if (type === Sql.FUNCTION || type === Sql.ATTACK || type === Sql.WAIT) return true;
    return (type === Sql.NAME || type === Sql.VERB) && this.isJoined(index);
  }

  /** No space behind it. */
  private isJoined(index: number): boolean {
    return this.tokens.ends[index] === this.tokens.starts[index + 1];
  }

  /** `sleep(5)`, and `waitfor delay '0:0:5'` */
  isWait(index: number): boolean {
    const next = this.type(index + 1);
    if (next !== Sql.LEFT)
      return this.type(index - 1) === Sql.EXECUTE && (next === Sql.STRING || next === Sql.OPEN);
    const argument = this.type(index + 2);
    const behind = this.type(index + 3);
    // "Sleep (5 tips)"
    if (isLiteral(argument)) return behind !== Sql.NAME || this.isJoined(index + 2);
    if (argument === Sql.NAME) return behind === Sql.RIGHT && this.type(index + 4) === Sql.COMMENT;
    return isSign(argument) || argument === Sql.SELECT || this.isCall(index + 2);
  }

  /** `benchmark(`, `exec xp_cmdshell`, `||utl_http.request` */
  isAttack(index: number): boolean {
    const before = index === 0 ? Sql.END : this.type(index - 1);
    return (
      this.type(index + 1) === Sql.LEFT ||
      before === Sql.EXECUTE ||
      before === Sql.LOGIC ||
      before === Sql.ARITHMETIC ||
      before === Sql.SEMICOLON ||
      before === Sql.SELECT
    );
  }

  /** `order by 5 --`, `group by a having`, `order by (select …)` */
  isOrdering(index: number): boolean {
    if (this.type(index + 1) !== Sql.BY) return false;
    const type = this.type(index + 2);
    const behind = this.type(index + 3);
    if (type === Sql.LEFT || type === Sql.CASE)
      return behind === Sql.SELECT || behind === Sql.PARTICLE || behind === Sql.CASE;
    if (type !== Sql.NUMBER && type !== Sql.NAME) return this.isCall(index + 2);
    if (behind === Sql.COMMENT || behind === Sql.CLAUSE) return true;
    return (
      type === Sql.NUMBER &&
      index > 0 &&
      (behind === Sql.COMMA || behind === Sql.END || behind === Sql.SEMICOLON)
    );
  }

  /** `having 1=1`, `procedure analyse(`, `into outfile '` */
  isClause(index: number): boolean {
    const type = this.type(index + 1);
    const behind = this.type(index + 2);
    if (type === Sql.PARTICLE) return behind === Sql.LEFT || behind === Sql.STRING || behind === Sql.OPEN;
    return isLiteral(type) && behind === Sql.COMPARISON && isLiteral(this.type(index + 3));
  }

  /** Behind `where`, which what stands in a condition already has no use for, but sqlmap tries. */
  isWhere(index: number): boolean {
    return (
      isLiteral(this.type(index)) &&
      this.type(index + 1) === Sql.COMPARISON &&
      isLiteral(this.type(index + 2))
    );
  }

  /** `case when 1=1 then`, `case (1)` */
  isCase(index: number): boolean {
    if (this.type(index + 1) !== Sql.PARTICLE) return false;
    return (
      this.type(index + 2) === Sql.LEFT ||
      (this.type(index + 2) !== Sql.CASE && this.isCondition(index + 2, true))
    );
  }

  /** `if(1=1,`: a call with a comparison of literals. */
  isChoice(index: number): boolean {
    return this.type(index + 1) === Sql.LEFT && this.isWhere(index + 2);
  }

  /** A comparison whose other side is one, too. */
  isCompared(index: number): boolean {
    let i = index + 1;
    while (isSign(this.type(i)) || this.type(i) === Sql.COMPARISON || this.type(i) === Sql.WORD_COMPARISON)
      i++;
    const type = this.type(i);
    if (isLiteral(type) || type === Sql.SELECT) return true;
    if (this.type(index) === Sql.COMPARISON) return this.isCall(i) || type === Sql.CASE;
    return type === Sql.FUNCTION && this.isCall(i);
  }

  /** Behind `and`, `or`: what can be true or false. `isLoose` where a quote or a comment tells of SQL already. */
  isCondition(index: number, isLoose: boolean): boolean {
    let i = index;
    while (isSign(this.type(i))) i++;
    const type = this.type(i);
    if (type === Sql.SELECT) return this.isSelection(i + 1);
    if (type === Sql.CASE) return this.type(i + 1) === Sql.PARTICLE;
    if (
      this.isCall(i) ||
      (type === Sql.NAME && this.type(i + 1) === Sql.LEFT && this.type(i + 2) === Sql.RIGHT)
    )
      return this.isTrueCall(i, isLoose);
    if (isLiteral(type)) return this.isTrueLiteral(i, isLoose);
    if (type !== Sql.NAME && type !== Sql.FUNCTION && type !== Sql.OBJECT && type !== Sql.SCHEMA)
      return false;
    const after = this.type(i + 1);
    const isSql = isLoose || this.isOperandFirst();
    if (after === Sql.COMPARISON) return isSql && (this.isCompared(i + 1) || this.tokens.isSame(i, i + 2));
    if (after !== Sql.WORD_COMPARISON && after !== Sql.NOT) return false;
    return isSql && this.isCompared(after === Sql.NOT ? i + 2 : i + 1);
  }

  private isTrueCall(index: number, isLoose: boolean): boolean {
    const type = this.type(index);
    if (type === Sql.ATTACK || type === Sql.WAIT || (type === Sql.FUNCTION && isLoose)) return true;
    const behind = this.type(this.skipCall(index + 1));
    return behind === Sql.COMPARISON || behind === Sql.WORD_COMPARISON || behind === Sql.COMMENT;
  }

  private isTrueLiteral(index: number, isLoose: boolean): boolean {
    const type = this.type(index);
    let behind = index + 1;
    while (this.type(behind) === Sql.RIGHT) behind++;
    const after = this.type(behind);
    if (after === Sql.COMPARISON) return this.isCompared(behind);
    if (after === Sql.WORD_COMPARISON)
      return this.isCompared(behind) && (isLoose || isLiteral(this.type(behind + 1)));
    if (after === Sql.NOT && this.type(behind + 1) === Sql.WORD_COMPARISON) return isLoose;
    if (after === Sql.COMMENT || (after === Sql.SEMICOLON && this.type(behind + 1) === Sql.END)) return true;
    if (after === Sql.ARITHMETIC)
      return (isLoose || this.isOperandFirst()) && isLiteral(this.type(behind + 1));
    if (!isLoose) return false;
    if (type === Sql.OPEN) return this.isOpenWithin(index);
    return type !== Sql.STRING && (after === Sql.END || after === Sql.LOGIC || after === Sql.UNION);
  }

  /** `or 'x`: what an own quote of the query ends. */
  private isOpenWithin(index: number): boolean {
    return this.tokens.openQuote === this.quote && index === this.tokens.count - 1;
  }

  /** Formulas and sentences compare names, too; but what stands where a number was begins with one, or goes on from it. */
  private isOperandFirst(): boolean {
    const type = this.type(0);
    return isLiteral(type) || type === Sql.RIGHT || type === Sql.LOGIC || isSign(type);
  }

  /** Behind the parenthesis that closes the one at `left`, if it is in reach. */
  private skipCall(left: number): number {
    let depth = 0;
    const end = Math.min(left + REACH, this.tokens.count);
    for (let i = left; i < end; i++) {
      if (this.type(i) === Sql.LEFT) depth++;
      else if (this.type(i) === Sql.RIGHT && --depth === 0) return i + 1;
    }
    return end;
  }

  /** Whether a statement begins here, with what it cannot do without. */
  isStatement(index: number): boolean {
    const next = this.type(index + 1);
    const after = this.type(index + 2);
    switch (this.type(index)) {
      case Sql.SELECT:
        return this.isSelection(index + 1);
      case Sql.EXECUTE:
        if (next === Sql.VARIABLE || next === Sql.ATTACK) return true;
        if (next === Sql.WAIT) return after === Sql.STRING || after === Sql.OPEN;
        return (
          next === Sql.LEFT &&
          (after === Sql.VARIABLE || after === Sql.STRING || after === Sql.ATTACK || this.isCall(index + 2))
        );
      case Sql.VERB:
        break;
      default:
        return false;
    }
    if (next === Sql.ATTACK) return true;
    if (next === Sql.CLAUSE) return this.isTable(index + 2) && this.isListOrSource(index + 3);
    if (next === Sql.FROM) return this.isTable(index + 2) && this.isStatementEnd(index + 3);
    if (next === Sql.OBJECT || next === Sql.FUNCTION)
      return this.isTable(index + 2) && (this.isStatementEnd(index + 3) || this.type(index + 3) === Sql.LEFT);
    return this.isTable(index + 1) && after === Sql.PARTICLE && this.type(index + 4) === Sql.COMPARISON;
  }

  private isListOrSource(index: number): boolean {
    const type = this.type(index);
    return type === Sql.LEFT || type === Sql.CLAUSE || type === Sql.SELECT;
  }

  private isStatementEnd(index: number): boolean {
    const type = this.type(index);
    return type === Sql.WHERE || type === Sql.COMMENT || type === Sql.SEMICOLON || type === Sql.PARTICLE;
  }

  /** `drop table a`, and no more: what a company can be called. */
  isShortStatement(index: number): boolean {
    return this.type(index + 1) === Sql.OBJECT && this.type(index + 2) === Sql.NAME;
  }
}
