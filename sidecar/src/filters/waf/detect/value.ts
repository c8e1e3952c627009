/**
 * Looks at one value: by its classes of bytes it is done with most at once; the rest is seen by the detectors it could concern, as it is and with
 * each layer of encoding undone.
 *
 * Invariant: the number of layers is bounded, and each costs time linear in the value.
 */
import * as Character from '../character.ts';
import { RuleSet, Rules } from '../rules.ts';
import { inspectCommand } from './command.ts';
import { decodeLayer } from './decode.ts';
import type { Hits, Place } from './hits.ts';
import { MOST_DECODINGS } from './limits.ts';
import { inspectName, inspectNosqlText } from './nosql.ts';
import { Scratch } from './scratch.ts';
import { SqlDetector } from './sql.ts';
import { inspectTraversal } from './traversal.ts';
import { inspectXss } from './xss.ts';

const PLAIN = Character.LETTER | Character.DIGIT | Character.MARK;
const ENCODED = Character.ESCAPE | Character.HIGH | Character.CONTROL;
const SQL = Character.SPACE | Character.QUOTE | Character.SYNTAX | Character.SHELL | Character.CONTROL;
const SCRIPT = Character.SHELL | Character.SYNTAX;
const COMMAND = Character.SHELL | Character.ANGLE | Character.SLASH | Character.SPACE;
const MARKUP = Character.SYNTAX | Character.COLON;
const BASE64 = PLAIN | Character.SLASH | Character.SYNTAX;
const LEAST_BASE64 = 16;
const BASE64_LEVEL = 2;

export class ValueInspector {
  private readonly hits: Hits;
  private readonly level: number;
  private readonly found = new RuleSet();
  private readonly sql: SqlDetector;
  private readonly scratches = [new Scratch(), new Scratch()] as const;

  constructor(hits: Hits, level: number) {
    this.hits = hits;
    this.level = level;
    this.sql = new SqlDetector(this.found, level);
  }

  /** `classes`: of all its bytes. */
  inspect(text: Uint8Array, start: number, end: number, classes: number, place: Place, isPath = false): void {
    if ((classes & ~PLAIN) === 0 && (this.level < BASE64_LEVEL || end - start < LEAST_BASE64)) return;
    this.inspectLayer(text, start, end, classes, place, isPath, false);
    if ((classes & ENCODED) !== 0) this.inspectDecoded(text, start, end, place, isPath);
    if (this.level >= BASE64_LEVEL && (classes & ~BASE64) === 0 && end - start >= LEAST_BASE64)
      this.inspectBase64(text, start, end, place);
  }

  /** The name of a member or a field. */
  inspectName(
    text: Uint8Array,
    start: number,
    end: number,
    classes: number,
    place: Place,
    isField: boolean,
  ): void {
    if (end - start > 1 && (classes & ~(Character.LETTER | Character.DIGIT)) !== 0) {
      inspectName(text, start, end, isField, this.found, this.level);
      if (this.found.count > 0 && this.hits.take(this.found, text, start, end, place)) return;
    }
    if ((classes & ~PLAIN) !== 0) this.inspect(text, start, end, classes, place);
  }

  report(
    rule: (typeof Rules)[keyof typeof Rules],
    text: Uint8Array,
    start: number,
    end: number,
    place: Place,
  ): void {
    if (rule.level > this.level) return;
    this.found.add(rule, start);
    this.hits.take(this.found, text, start, end, place);
  }

  private inspectDecoded(text: Uint8Array, start: number, end: number, place: Place, isPath: boolean): void {
    let layer = text;
    let from = start;
    let to = end;
    for (let round = 0; ; round++) {
      const scratch = this.scratches[round & 1] as Scratch;
      const out = scratch.ofSize(to - from);
      const length = decodeLayer(layer, from, to, out);
      if (length === -1) return;
      if (round === MOST_DECODINGS) {
        this.report(Rules.overEncoded, out, 0, length, place);
        return;
      }
      this.inspectLayer(
        out,
        0,
        length,
        Character.classesOf(out, 0, length),
        place,
        isPath,
        !isPath || round > 0,
      );
      layer = out;
      from = 0;
      to = length;
    }
  }

  private inspectLayer(
    text: Uint8Array,
    start: number,
    end: number,
    classes: number,
    place: Place,
    isPath: boolean,
    wasEncoded: boolean,
  ): void {
    const { found, level } = this;
    if ((classes & SQL) !== 0) this.sql.inspect(text, start, end, classes);
    if ((classes & SCRIPT) !== 0) inspectNosqlText(text, start, end, found);
    if ((classes & Character.SLASH) !== 0)
      inspectTraversal(text, start, end, isPath, wasEncoded, found, level);
    if ((classes & COMMAND) !== 0) inspectCommand(text, start, end, found);
    if ((classes & MARKUP) !== 0) inspectXss(text, start, end, found, level);
    if ((classes & Character.CONTROL) !== 0 && Character.indexOfByte(text, 0, start, end) !== -1)
      found.add(Rules.nulByte, start);
    if (found.count > 0) this.hits.take(found, text, start, end, place);
  }

  /** Only what is text when decoded: the first bytes tell of most that it is not. */
  private inspectBase64(text: Uint8Array, start: number, end: number, place: Place): void {
    const scratch = this.scratches[0].ofSize(end - start);
    const length = decodeBase64Text(text, start, end, scratch);
    if (length > 0)
      this.inspectLayer(scratch, 0, length, Character.classesOf(scratch, 0, length), place, false, true);
  }
}

/** The length of the text, or -1 if this is no base64 of a text of ASCII. */
function decodeBase64Text(text: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let length = 0;
  let bits = 0;
  let held = 0;
  for (let i = start; i < end; i++) {
    const value = base64Value(text[i] as number);
    if (value === -1) {
      if (text[i] === 0x3d && i >= end - 2) break;
      return -1;
    }
    bits = ((bits << 6) | value) & 0x3fff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    const byte = (bits >> held) & 0xff;
    if (byte > 0x7e || (byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return -1;
    out[length++] = byte;
  }
  return length;
}

function base64Value(byte: number): number {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  if (byte === 0x2b || byte === 0x2d) return 62;
  return byte === 0x2f || byte === 0x5f ? 63 : -1;
}
