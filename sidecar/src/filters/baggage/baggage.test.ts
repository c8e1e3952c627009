import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { CONTINUE, type Filter } from '../../core/filter.ts';
import type { Backend } from '../../routing/backend.ts';
import { travel } from '../hand-made-exchange.ts';
import { InboundBaggageFilter, OutboundBaggageFilter } from './baggage.ts';
import { BaggageSeries } from './metrics.ts';

/** Values of the lines that are forwarded of these. */
function pass(filters: readonly Filter[], lines: readonly string[]): string[] {
  const fields = ['host: a', ...lines.map((line) => `baggage: ${line}`)];
  const { forwarded } = travel({ chain: compileChain(filters), fields });
  return (forwarded ?? []).filter((line) => line.startsWith('baggage:')).map((line) => line.slice(9));
}

const fromStranger = (keys: string[], lines: string[], series = new BaggageSeries()) =>
  pass([new InboundBaggageFilter(false, keys, series)], lines);
const fromPeer = (lines: string[], series = new BaggageSeries()) =>
  pass([new InboundBaggageFilter(true, [], series)], lines);

describe('from strangers', () => {
  test('nothing passes unless it is allowed', () => {
    expect(fromStranger([], ['tenant=acme,plan=free'])).toEqual([]);
    expect(
      fromStranger(['plan', 'region'], ['tenant=acme;secret,plan=free; p = 1', ' region = eu ']),
    ).toEqual(['plan=free; p = 1,region = eu']);
  });

  test('what passes whole is left as it came, in its lines', () => {
    expect(fromStranger(['a', 'b'], ['a=1 , a=2', 'b='])).toEqual(['a=1 , a=2', 'b=']);
  });

  test.each([
    ['another case', 'Tenant=acme'],
    ['escapes', '%74enant=acme'],
    ['more behind it', 'tenant2=acme'],
    ['less', 'tenan=acme'],
  ])('a key is the allowed one byte for byte: %s', (_what, line) => {
    expect(fromStranger(['tenant'], [line])).toEqual([]);
  });

  test.each([
    ['a quote that might hide a comma', 'a="1,tenant=evil"'],
    ['a backslash', 'a=\\'],
    ['no equals sign', 'a'],
    ['no key', '=1'],
    ['a space in a value', 'a=1 2'],
    ['a space in a key', 'a b=1'],
    ['an empty property', 'a=1;'],
    ['a property without a key', 'a=1;=2'],
    ['a value that is not ASCII', 'a=\u00e9'],
  ])('malformed, all is gone: %s', (_what, line) => {
    const series = new BaggageSeries();
    expect(fromStranger(['a', 'b', 'tenant'], ['b=1', line], series)).toEqual([]);
    expect(fromPeer(['b=1', line])).toEqual([]);
    expect(series).toEqual({ malformed: 1, tooLong: 0, withheld: 0 });
  });
});

describe('inside of the mesh', () => {
  test('all keys pass, empty members among them', () => {
    const series = new BaggageSeries();
    const lines = ['tenant=acme;secret, ,plan=free', 'a=b=c'];
    expect(fromPeer(lines, series)).toEqual(lines);
    expect(series).toEqual(new BaggageSeries());
  });

  test('what is beyond the limits is left out, whole members from the end', () => {
    const series = new BaggageSeries();
    const members = Array.from({ length: 65 }, (_, i) => `k${i}=${i}`);
    expect(fromPeer([members.slice(0, 64).join(',')], series)).toEqual([members.slice(0, 64).join(',')]);
    expect(series.tooLong).toBe(0);
    expect(fromPeer([members.join(',')], series)).toEqual([members.slice(0, 64).join(',')]);
    const half = `a=${'x'.repeat(4_094)}`;
    expect(fromPeer([half, `b=${'x'.repeat(4_093)}`], series)).toEqual([half, `b=${'x'.repeat(4_093)}`]);
    expect(series.tooLong).toBe(1);
    expect(fromPeer([half, `b=${'x'.repeat(4_094)}`, 'c=1'], series)).toEqual([half]);
    expect(series.tooLong).toBe(2);
  });
});

describe('to endpoints', () => {
  const send = (upstreamIdentity: string, backendIdentity: string | null) => {
    const chooses: Filter = {
      name: 'backend',
      onPickEndpoint(exchange) {
        if (backendIdentity !== null) exchange.backend = { identity: backendIdentity } as Backend;
        return CONTINUE;
      },
    };
    return pass(
      [chooses, new OutboundBaggageFilter(upstreamIdentity, ['plan'], new BaggageSeries())],
      ['tenant=acme,plan=free'],
    );
  };
  const ALL = ['tenant=acme,plan=free'];

  test('that prove who they are goes all, to others what is allowed', () => {
    expect(send('spiffe://a/cards', null)).toEqual(ALL);
    expect(send('', null)).toEqual(['plan=free']);
  });

  test('the backend of the rule counts, where there is one', () => {
    expect(send('spiffe://a/cards', '')).toEqual(['plan=free']);
    expect(send('', 'spiffe://a/cards')).toEqual(ALL);
  });
});

describe('property', () => {
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;
  /** The grammar of W3C Baggage, section 3.3.1, said a second time. */
  const MEMBER =
    /^([!#$%&'*+\-.^_`|~\w]+)[ \t]*=[ \t]*[!#-+\--:<-[\]-~]*([ \t]*;[ \t]*[!#$%&'*+\-.^_`|~\w]+([ \t]*=[ \t]*[!#-+\--:<-[\]-~]*)?)*$/;

  function expected(keys: readonly string[], lines: readonly string[]): string[] {
    const members = lines
      .flatMap((line) => line.split(','))
      .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
      .filter((member) => member !== '');
    if (!members.every((member) => MEMBER.test(member))) return [];
    return members.filter((member) => keys.includes(TOKEN.exec(member)?.[0] ?? ''));
  }

  const key = fc.constantFrom('a', 'b', 'A', 'ab', 'tenant', '%61', "!#$&'*+-.^_`|~");
  const space = fc.constantFrom('', '', ' ', '\t ');
  const value = fc.string({ unit: fc.constantFrom(...'a=1:%[]/!#~'), maxLength: 6 });
  const property = fc.tuple(space, space, key, fc.option(fc.tuple(space, space, value)));
  const member = fc
    .tuple(key, space, space, value, fc.array(property, { maxLength: 2 }))
    .map(([name, before, behind, text, properties]) =>
      [
        `${name}${before}=${behind}${text}`,
        ...properties.map(([a, b, inner, rest]) =>
          rest === null ? `${a};${b}${inner}` : `${a};${b}${inner}${rest[0]}=${rest[1]}${rest[2]}`,
        ),
      ].join(''),
    );
  const broken = fc.string({ unit: fc.constantFrom(...'ab=,;"\\ \t\u00e9'), maxLength: 6 });
  const line = fc
    .array(fc.oneof({ weight: 12, arbitrary: member }, broken), { maxLength: 5 })
    // As the scanner finds it: without whitespace at the ends.
    .map((all) => all.join(',').replace(/^[ \t]+|[ \t]+$/g, ''));

  test('what passes is what the grammar and the keys allow, in its order', () => {
    let passed = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 3 }), fc.array(key, { maxLength: 3 }), (lines, keys) => {
        const left = fromStranger(keys, lines)
          .flatMap((text) => text.split(','))
          .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''))
          .filter((text) => text !== '');
        expect(left).toEqual(expected(keys, lines));
        passed += left.length;
      }),
      { numRuns: 2_000 },
    );
    expect(passed).toBeGreaterThan(0);
  });
});
