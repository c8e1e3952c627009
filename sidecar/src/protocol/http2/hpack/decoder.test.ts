import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../core/limits.ts';
import { fieldId } from '../../field-names.ts';
import { decodeBlock, integer, literal, string } from './decoded.fixture.ts';
import { HPACK_ERROR, HPACK_FLOOD, HPACK_OK, HPACK_TOO_LARGE, HpackDecoder } from './decoder.ts';
import { PSEUDO_AUTHORITY, PSEUDO_METHOD, PSEUDO_PATH, PSEUDO_PROTOCOL, PSEUDO_UNKNOWN } from './field.ts';

type Fields = [string, string][];

const FIRST_REQUEST: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const REQUESTS: Fields[] = [
  FIRST_REQUEST,
  [...FIRST_REQUEST, ['cache-control', 'no-cache']],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];
const RESPONSES: Fields[] = [
  [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
];

/** RFC 7541 appendix C: blocks of one connection each. Those of C.5 and C.6 have a table of 256 bytes. */
const APPENDIX_C: { example: string; tableBytes?: number; blocks: string[]; fields: Fields[] }[] = [
  {
    example: 'C.2.1 literal with indexing',
    blocks: ['400a637573746f6d2d6b65790d637573746f6d2d686561646572', 'be'],
    fields: [[['custom-key', 'custom-header']], [['custom-key', 'custom-header']]],
  },
  {
    example: 'C.2.2 literal without indexing',
    blocks: ['040c2f73616d706c652f70617468'],
    fields: [[[':path', '/sample/path']]],
  },
  {
    example: 'C.2.3 literal never indexed',
    blocks: ['100870617373776f726406736563726574'],
    fields: [[['password', 'secret']]],
  },
  { example: 'C.2.4 indexed', blocks: ['82'], fields: [[[':method', 'GET']]] },
  {
    example: 'C.3 requests',
    blocks: [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
    fields: REQUESTS,
  },
  {
    example: 'C.4 requests, Huffman coded',
    blocks: [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
    fields: REQUESTS,
  },
  {
    example: 'C.5 responses',
    tableBytes: 256,
    blocks: [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
        '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738' +
        '666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b20' +
        '76657273696f6e3d31',
    ],
    fields: RESPONSES,
  },
  {
    example: 'C.6 responses, Huffman coded',
    tableBytes: 256,
    blocks: [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9' +
        'ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b39' +
        '60d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
    fields: RESPONSES,
  },
];

describe('RFC 7541 appendix C', () => {
  it.each(APPENDIX_C)('$example', ({ tableBytes = LIMITS.hpackTableBytes, blocks, fields }) => {
    const decoder = new HpackDecoder();
    const resize = tableBytes === LIMITS.hpackTableBytes ? Buffer.alloc(0) : integer(0x20, 0x1f, tableBytes);
    const decoded = blocks.map((block, i) =>
      decodeBlock(decoder, Buffer.concat(i === 0 ? [resize, hex(block)] : [hex(block)])),
    );
    expect(decoded.map((block) => block.fields)).toEqual(fields);
    expect(decoded.every((block) => block.result === HPACK_OK)).toBe(true);
  });
});

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
