import fc from 'fast-check';
import { Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parseExposition } from './exposition.ts';

describe('parseExposition', () => {
  it('reads what prom-client writes, whatever stands in labels', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.integer({ min: 0 }), async (label, value) => {
        const registry = new Registry();
        new Counter({ name: 'seen_total', help: 'a\nb', labelNames: ['a', 'b'], registers: [registry] }).inc(
          { a: label, b: '}' },
          value,
        );
        const [sample] = parseExposition(await registry.metrics());
        expect(sample).toEqual({
          name: 'seen_total',
          labels: new Map([
            ['a', label],
            ['b', '}'],
          ]),
          value,
        });
      }),
    );
  });

  it('reads the forms of numbers, and a time', () => {
    const text =
      '# HELP a b\n# TYPE a gauge\na 1\na{} 2.5e-3\na{x="1",} +Inf\na -Inf 1700000000000\na NaN\na Nan\n';
    expect(parseExposition(text).map(({ value }) => value)).toEqual([
      1,
      0.0025,
      Infinity,
      -Infinity,
      NaN,
      NaN,
    ]);
  });

  it.each([
    'a',
    'a b',
    '1a 1',
    'a{x=1} 1',
    'a{x="1} 1',
    'a{x="1"y="2"} 1',
    'a{x="1",x="2"} 1',
    'a{x="\\q"} 1',
    'a 0x10',
    'a 1 x',
    '<html>',
    ' a 1',
  ])('refuses %j', (line) => {
    expect(() => parseExposition(`fine 1\n${line}\n`)).toThrow('line 2 is no sample');
  });
});
