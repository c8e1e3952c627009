/** Every example of RFC 7541 appendix C that is a header block. */
import { expect, it } from 'vitest';
import { LIMITS } from '../../../core/limits.ts';
import { decodeBlock, integer } from './decoded.fixture.ts';
import { HPACK_OK, HpackDecoder } from './decoder.ts';

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

/** Blocks of one connection each. Those of C.5 and C.6 have a table of 256 bytes. */
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

it.each(APPENDIX_C)('$example', ({ tableBytes = LIMITS.hpackTableBytes, blocks, fields }) => {
  const decoder = new HpackDecoder();
  const resize = tableBytes === LIMITS.hpackTableBytes ? Buffer.alloc(0) : integer(0x20, 0x1f, tableBytes);
  const decoded = blocks.map((block, i) =>
    decodeBlock(decoder, Buffer.concat(i === 0 ? [resize, hex(block)] : [hex(block)])),
  );
  expect(decoded.map((block) => block.fields)).toEqual(fields);
  expect(decoded.every((block) => block.result === HPACK_OK)).toBe(true);
});

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
