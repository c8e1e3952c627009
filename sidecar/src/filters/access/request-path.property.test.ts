import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { RequestHead } from '../../protocol/head.ts';
import { scanRequestHead } from '../../protocol/http1/request-head.ts';
import { type AccessRuleSpec, spec } from './config.ts';
import { createPathMatchers } from './path-match.ts';
import { RequestPath } from './request-path.ts';

const path = new RequestPath();

/** Null for a target that the scanner refuses already. */
function headOf(target: string): RequestHead | null {
  const raw = Buffer.from(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`, 'latin1');
  const head = new RequestHead();
  return scanRequestHead(head, raw, 0, raw.length) > 0 ? head : null;
}

function isRead(target: string): boolean {
  const head = headOf(target);
  return head !== null && path.read(head);
}

function rule(action: 'allow' | 'deny', to: object): AccessRuleSpec {
  return spec.parse({ rules: [{ name: 'a', action, to }] }).rules[0] as AccessRuleSpec;
}

/** Whether the rule applies; null when the path is refused. */
function applies(action: 'allow' | 'deny', to: object, target: string): boolean | null {
  if (!isRead(target)) return null;
  return createPathMatchers(rule(action, to))?.some((matcher) => matcher.matches(path)) ?? true;
}

describe('a path with more than one reading is refused', () => {
  it.each([
    ['an empty segment', '/a//b'],
    ['an empty segment at its begin', '//a'],
    ['a dot segment', '/a/./b'],
    ['a dot segment at its end', '/a/.'],
    ['two dots', '/a/../b'],
    ['two dots at its end', '/a/..'],
    ['escaped dots', '/a/%2e%2E/b'],
    ['half escaped dots', '/a/.%2e/b'],
    ['parameters', '/a;x=1'],
    ['dots behind parameters', '/a/..;/b'],
    ['an escaped slash', '/a%2fb'],
    ['an escaped backslash', '/a%5Cb'],
    ['an escaped semicolon', '/a%3Bb'],
    ['an escaped question mark', '/a%3Fb'],
    ['an escaped number sign', '/a%23b'],
    ['NUL', '/a%00b'],
    ['a line break', '/a%0ab'],
    ['an escape in an escape', '/%2561dmin'],
    ['an escape whose digits are escaped', '/%25%36%31dmin'],
    ['half an escape', '/a%2'],
    ['no escape', '/a%zz'],
    ['an overlong slash', '/a%c0%afb'],
    ['no UTF-8', '/a%ff'],
    ['a slash of another script', '/a%ef%bc%8fb'],
    ['dots of another script', '/a/%ef%bc%8e%ef%bc%8e/b'],
    ['a character that is made of a slash', '/%e2%84%80'],
  ])('%s', (_, target) => expect(isRead(target)).toBe(false));

  it.each([
    '/',
    '/a',
    '/a/',
    '/a.b/c..d',
    '/...',
    '/a%20b',
    '/%C3%A9',
    '/100%25',
    '/a?b=../..//;%00',
    '/a:b@c,d',
  ])('and %s is not', (target) => expect(isRead(target)).toBe(true));

  it.each(['/a\\b', '/a\u0000b', '/a#b', '/a b'])('%j does not even pass the scanner', (target) => {
    expect(headOf(target)).toBeNull();
  });

  it('of an absolute target nothing but its path counts', () => {
    expect(applies('allow', { paths: ['/admin'] }, 'http://a/admin')).toBe(true);
    expect(applies('deny', { paths: ['/admin'] }, 'http://a/ADMIN/')).toBe(true);
    expect(isRead('http://a//admin')).toBe(false);
  });
});

test('what comes with escapes is what it comes to', () => {
  expect(applies('allow', { paths: ['/caf%C3%A9'] }, '/caf%c3%a9')).toBe(true);
  expect(applies('allow', { paths: ['/café'] }, '/caf%c3%a9')).toBe(true);
  expect(applies('allow', { paths: ['/a:b'] }, '/a%3Ab')).toBe(true);
  expect(applies('deny', { paths: ['/kelvin'] }, '/%E2%84%AAelvin')).toBe(true);
  expect(applies('allow', { paths: ['/kelvin'] }, '/%E2%84%AAelvin')).toBe(false);
});

test('a wildcard is the path itself and all below it, and nothing beside it', () => {
  const to = { paths: ['/v1/*'] };
  for (const target of ['/v1', '/v1/', '/v1/a/b']) expect(applies('allow', to, target)).toBe(true);
  for (const target of ['/v10', '/v', '/', '/V1/a']) expect(applies('allow', to, target)).toBe(false);
  expect(applies('allow', { paths: ['/*'] }, '/')).toBe(true);
});

test('regular expressions are for the whole path', () => {
  const to = { paths: [{ regex: '/users/[0-9]+' }] };
  expect(applies('allow', to, '/users/7')).toBe(true);
  expect(applies('allow', to, '/users/7/')).toBe(false);
  expect(applies('allow', to, '/users/7x')).toBe(false);
  expect(applies('deny', to, '/Users/7/')).toBe(true);
  expect(applies('deny', { paths: [{ regex: '/users/' }] }, '/users')).toBe(true);
  expect(applies('deny', to, `/${'a'.repeat(4_000)}`)).toBe(true);
});

test('services of gRPC are paths', () => {
  const to = { grpc: [{ service: 'demo.Echo', method: 'Say' }, { service: 'demo.Clock' }] };
  expect(applies('allow', to, '/demo.Echo/Say')).toBe(true);
  expect(applies('allow', to, '/demo.Echo/Shout')).toBe(false);
  expect(applies('allow', to, '/demo.Clock/Now')).toBe(true);
  expect(applies('deny', to, '/demo.echo/say')).toBe(true);
});

/** How the path of a request may be written so that some server takes it for the same. */
const variants = fc
  .record({
    escaped: fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }),
    lower: fc.boolean(),
    cased: fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }),
    tail: fc.constantFrom('', '/', '//', '/.', ';a=b', '/;', '?x=1', '/%2e', '%00', '/x/..', '%2f', '%5c'),
    head: fc.constantFrom('', '/', '/.', '/x/..', '/%2e', '/;x', 'http://a', 'http://A:80'),
    gap: fc.constantFrom('/', '//', '/./', '/x/../', '/%2e/', ';/', '%2f', '/;/', '%5c', '\\'),
  })
  .map(({ escaped, lower, cased, head, tail, gap }) => (segments: readonly string[]) => {
    const written = segments.map((segment) =>
      Array.from(segment, (letter, i) => {
        const character = cased[i] ? letter.toUpperCase() : letter;
        const code = character.charCodeAt(0).toString(16);
        return escaped[i] ? `%${lower ? code : code.toUpperCase()}` : character;
      }).join(''),
    );
    return `${head}/${written.join(gap)}${tail}`;
  });
const segments = fc.array(fc.stringMatching(/^[a-z][a-z0-9.~:@-]{0,6}$/), { minLength: 1, maxLength: 3 });

test('no spelling of a path gets by a deny rule', () => {
  fc.assert(
    fc.property(segments, variants, fc.boolean(), (parts, spell, below) => {
      const denied = `/${parts.join('/')}${below ? '/*' : ''}`;
      const outcome = applies('deny', { paths: [denied] }, spell(parts));
      // Refused, or caught.
      expect(outcome).not.toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

test('what an allow rule lets in is its path, once its escapes are read', () => {
  fc.assert(
    fc.property(segments, segments, variants, (allowed, asked, spell) => {
      const target = spell(asked);
      if (applies('allow', { paths: [`/${allowed.join('/')}`] }, target) !== true) return;
      const { pathname } = new URL(target, 'http://a');
      expect(decodeURIComponent(pathname)).toBe(`/${allowed.join('/')}`);
    }),
    { numRuns: 2_000 },
  );
});

test('nothing that is read holds what servers take for a delimiter', () => {
  const piece = fc.constantFrom(...'/.;%\\25cfeaA', '%2f', '%2e', '%5c', '%25', '%00', '%c3', '%a9', '..');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      if (!isRead(`/${pieces.join('')}`)) return;
      const text = path.bytes.toString('utf8', path.start, path.end);
      expect(new URL(encodeURI(text), 'http://a').pathname).toBe(encodeURI(text));
      expect(text).not.toMatch(/\/\/|\\|;|\/\.{1,2}(\/|$)|%[0-9a-f]{2}/i);
    }),
    { numRuns: 2_000 },
  );
});
