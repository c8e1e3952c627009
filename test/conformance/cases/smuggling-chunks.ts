import { type Case, cut } from '../case.ts';
import { wire } from '../wire.ts';

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** Attacks on where a chunk ends, as published: each is a valid message to a parser that is lenient in one place. */
export const smugglingChunks: Case[] = [
  {
    id: 'smuggle-chunk-extension-hides-request',
    why: 'Weikop 2025 (TERM.EXT): where LF ends the line for one side, the data moves',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      2;\n\
      xx
      45
      0

      ${SMUGGLED}
      0

      `,
    expect: cut(400),
  },
  {
    id: 'smuggle-chunk-extension-cr-hides-request',
    why: 'Weikop 2025 (EXT.TERM): where CR ends the line for one side, the data moves',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      2;\rxx
      45
      0

      ${SMUGGLED}
      0

      `,
    expect: cut(400),
  },
  {
    id: 'smuggle-chunk-spill',
    why: 'Weikop 2025 (SPILL.TERM): two bytes of data where a CRLF belongs',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      5
      AAAAAXX2
      45
      0

      ${SMUGGLED}
      0

      `,
    expect: cut(400),
  },
  {
    id: 'smuggle-one-byte-terminator',
    why: 'Weikop 2025: a parser that skips two bytes whatever they are meets one that skips a single LF',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      5
      AAAAA\n\
      0

      ${SMUGGLED}`,
    expect: cut(400),
  },
  {
    id: 'smuggle-chunk-size-wraps',
    why: 'CVE-2013-2028 and its like: a size that wraps around reads as 0 or as less',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      10000000000000000
      ${SMUGGLED}`,
    expect: cut(400),
  },
  {
    id: 'smuggle-zero-chunk-with-sign',
    why: 'HTTP Garden 2024: `-0` ends the body for number parsers only',
    send: wire`
      POST / HTTP/1.1
      Host: a.test
      Transfer-Encoding: chunked

      -0

      ${SMUGGLED}`,
    expect: cut(400),
  },
];
