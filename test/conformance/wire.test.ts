import { expect, it } from 'vitest';
import { printable, wire } from './wire.ts';

it('ends every line with CRLF, and the last one only where the template ends on a line of its own', () => {
  expect(wire`
    GET / HTTP/1.1
    Host: a

    `).toBe('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(wire`
    A: b

    body`).toBe('A: b\r\n\r\nbody');
});

it('keeps indentation beyond that of the first line', () => {
  expect(wire`
    A: b
     c
    `).toBe('A: b\r\n c\r\n');
});

it('writes escapes as bytes and joins lines at a backslash', () => {
  expect(wire`
    A: \x00\xff\t\\r\n\
    B: c\r
    `).toBe('A: \0\xff\t\\r\nB: c\r\r\n');
});

it('takes substitutions byte for byte', () => {
  expect(wire`
    A: ${'\\x41\r\n'}${7}
    `).toBe('A: \\x41\r\n7\r\n');
});

it.each([
  ['an unknown escape', () => wire`\q`],
  [
    'text behind the opening backtick',
    () => wire`A
    B`,
  ],
  [
    'a line indented too little',
    () => wire`
      A
    B
      `,
  ],
])('refuses %s', (_what, build) => {
  expect(build).toThrow(/^wire: /);
});

it('prints bytes so that each can be told', () => {
  expect(printable('a\r\n\t\0\xff\\')).toBe('a\\r\\n\n\\t\\0\\xff\\\\');
  expect(printable('abcdef', 3)).toBe('abc… (6 bytes)');
});
