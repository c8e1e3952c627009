import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../core/limits.ts';
import { fieldId } from '../../field-names.ts';
import { decodeBlock, integer, literal, string } from './decoded.fixture.ts';
import { HPACK_ERROR, HPACK_FLOOD, HPACK_OK, HPACK_TOO_LARGE, HpackDecoder } from './decoder.ts';
import { PSEUDO_AUTHORITY, PSEUDO_METHOD, PSEUDO_PATH, PSEUDO_PROTOCOL, PSEUDO_UNKNOWN } from './field.ts';

type Fields = [string, string][];

describe('what the sink is told', () => {
  it('brings ids and kinds from both tables and from literals', () => {
    const decoder = new HpackDecoder();
    const inserted = Buffer.concat([
      Buffer.from([0x40]),
      string('x-request-id'),
      string('1'),
      Buffer.from([0x41]),
      string('a'),
    ]);
    decodeBlock(decoder, inserted);
    const block = Buffer.concat([
      Buffer.from([0x82, 0xbe, 0xbf, 0x44]),
      string('/x'),
      literal(':protocol', 'websocket'),
      literal(':nonsense', ''),
      Buffer.from([0x0f, 0x04]),
      string('text/plain'),
    ]);
    const { fields, ids, pseudo } = decodeBlock(decoder, block);
    expect(fields).toEqual([
      [':method', 'GET'],
      [':authority', 'a'],
      ['x-request-id', '1'],
      [':path', '/x'],
      [':protocol', 'websocket'],
      [':nonsense', ''],
      ['accept', 'text/plain'],
    ]);
    expect(ids).toEqual([0, 0, fieldId('x-request-id'), 0, 0, 0, 0]);
    expect(pseudo).toEqual([
      PSEUDO_METHOD,
      PSEUDO_AUTHORITY,
      0,
      PSEUDO_PATH,
      PSEUDO_PROTOCOL,
      PSEUDO_UNKNOWN,
      0,
    ]);
  });

  const wellFormed: Fields = [
    ['a', ''],
    ['a', 'b c\td'],
    ['a', '\x80\xff'],
    ["!#$%&'*+-.^_`|~09az", 'v'],
  ];
  it.each(wellFormed)('takes %j: %j', (name, value) => {
    expect(decodeBlock(new HpackDecoder(), literal(name, value)).isWellFormed).toEqual([true]);
  });

  const malformed: Fields = [
    ['', 'v'],
    ['A', 'v'],
    ['a b', 'v'],
    ['a:', 'v'],
    ['a\x00', 'v'],
    ['a\x80', 'v'],
    ['a\r\nb', 'v'],
    ['a', ' v'],
    ['a', 'v '],
    ['a', '\tv'],
    ['a', ' '],
    ['a', 'v\r\nb: c'],
    ['a', 'v\x00'],
    ['a', 'v\n'],
    ['a', 'v\x01w'],
    ['a', 'v\x7f'],
    [':path', '/\r\n'],
  ];
  it.each(malformed)('marks %j: %j, and goes on', (name, value) => {
    const decoder = new HpackDecoder();
    const block = Buffer.concat([
      Buffer.from([0x40]),
      string(name),
      string(value),
      Buffer.from([0xbe, 0x82]),
    ]);
    const { result, isWellFormed } = decodeBlock(decoder, block);
    expect([result, ...isWellFormed]).toEqual([HPACK_OK, false, false, true]);
  });

  it('judges name and value of a table entry apart', () => {
    const decoder = new HpackDecoder();
    const entry = Buffer.concat([Buffer.from([0x40]), string('a'), string('bad\n')]);
    const { isWellFormed } = decodeBlock(
      decoder,
      Buffer.concat([entry, Buffer.from([0x0f, 0x2f]), string('good'), Buffer.from([0xbe])]),
    );
    expect(isWellFormed).toEqual([false, true, false]);
  });
});

describe('strictness', () => {
  const broken: [string, Buffer][] = [
    ['index 0', hex('80')],
    ['an index behind the table', hex('be')],
    ['a name index behind the table', hex('7e00')],
    ['an integer without end', hex('ffffffffff')],
    ['an integer of six bytes', hex('ff808080808000')],
    ['an integer that is cut off', hex('ff')],
    ['a literal without name', hex('00')],
    ['a literal without value', hex('000161')],
    ['a name longer than the block', hex('000561')],
    ['a value longer than the block', hex('0001610361')],
    ['a value length that is cut off', hex('0001617f')],
    ['padding of zeros', hex('00016181f0')],
    ['padding of 8 bits', hex('000161821fff')],
    ['EOS in a string', hex('00016184fffffffc')],
    ['EOS and padding', hex('00016184ffffffff')],
    ['a size update above the maximum', integer(0x20, 0x1f, LIMITS.hpackTableBytes + 1)],
    ['a size update behind a field', hex('8220')],
    ['three size updates', hex('202020')],
    ['a size update that is cut off', hex('3f')],
  ];
  it.each(broken)('refuses %s', (_what, block) => {
    expect(decodeBlock(new HpackDecoder(), block).result).toBe(HPACK_ERROR);
  });

  it('takes two size updates, and an empty block', () => {
    const decoder = new HpackDecoder();
    expect(decodeBlock(decoder, Buffer.alloc(0)).result).toBe(HPACK_OK);
    expect(decodeBlock(decoder, hex('203fe11f82')).fields).toEqual([[':method', 'GET']]);
  });

  it('forgets entries when the table shrinks or one is larger than the table', () => {
    const decoder = new HpackDecoder();
    const entry = Buffer.concat([Buffer.from([0x40]), string('a'), string('b')]);
    expect(decodeBlock(decoder, Buffer.concat([entry, hex('be')])).result).toBe(HPACK_OK);
    const large = Buffer.concat([
      Buffer.from([0x40]),
      string('a'),
      string('b'.repeat(LIMITS.hpackTableBytes)),
    ]);
    expect(decodeBlock(decoder, Buffer.concat([large, hex('be')])).result).toBe(HPACK_ERROR);
    expect(decodeBlock(decoder, Buffer.concat([entry, hex('be')])).result).toBe(HPACK_OK);
    expect(decodeBlock(decoder, hex('20be')).result).toBe(HPACK_ERROR);
  });
});

describe('bounds', () => {
  it('counts the list as SETTINGS_MAX_HEADER_LIST_SIZE does', () => {
    const decoder = new HpackDecoder();
    decodeBlock(decoder, Buffer.concat([hex('82'), literal('ab', 'c')]));
    expect(decoder.listBytes).toBe(7 + 3 + 32 + 2 + 1 + 32);
  });

  it('cuts a list off at its limit, and keeps the table in step', () => {
    const decoder = new HpackDecoder(LIMITS.hpackTableBytes, 100);
    const block = Buffer.concat([
      literal('a', 'b'.repeat(50)),
      hex('40'),
      string('c'),
      string('d'),
      hex('40'),
      string('e'),
      string('f'),
    ]);
    const { result, fields } = decodeBlock(decoder, block);
    expect([result, fields.length]).toEqual([HPACK_TOO_LARGE, 1]);
    expect(decodeBlock(decoder, hex('bebf')).fields).toEqual([
      ['e', 'f'],
      ['c', 'd'],
    ]);
  });

  it('cuts off more fields than a head may have', () => {
    const { result, fields } = decodeBlock(
      new HpackDecoder(),
      Buffer.concat([hex('82'), Buffer.alloc(LIMITS.fields + 1, 0xa0)]),
    );
    expect([result, fields.length]).toEqual([HPACK_TOO_LARGE, LIMITS.fields + 1]);
  });

  it('gives up on a block that multiplies', () => {
    const decoder = new HpackDecoder();
    const entry = Buffer.concat([Buffer.from([0x40]), string('a'), string('b'.repeat(4_000))]);
    const { result, fields } = decodeBlock(decoder, Buffer.concat([entry, Buffer.alloc(60_000, 0xbe)]));
    expect(result).toBe(HPACK_FLOOD);
    expect(fields.length).toBeLessThan(20);
    expect(decoder.listBytes).toBeLessThan(LIMITS.headBytes * (LIMITS.hpackFloodFactor + 1));
  });
});

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
