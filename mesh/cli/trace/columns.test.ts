import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawBar, formatMs, layCells, shorten, wrapWords } from './columns.ts';
import { plainPaint } from './paint.ts';

describe('drawBar', () => {
  it('shows half cells', () => {
    expect(drawBar('service', 0, 1, 4)).toBe('████');
    expect(drawBar('service', 0.125, 0.875, 4)).toBe('▐██▌');
    expect(drawBar('sidecar', 0.5, 0.625, 4)).toBe('  ╸');
    expect(drawBar('sidecar', 0.625, 0.75, 4)).toBe('  ╺');
  });

  it('is never empty, never wider than its column, and never left of where it begins', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, fc.integer({ min: 1, max: 60 }), (a, b, width) => {
        const bar = drawBar('service', Math.min(a, b), Math.max(a, b), width);
        expect(bar.trim()).not.toBe('');
        expect(bar.length).toBeLessThanOrEqual(width);
        expect(bar.length - bar.trimStart().length).toBeGreaterThanOrEqual(
          Math.floor(Math.min(a, b) * width - 1),
        );
      }),
    );
  });
});

describe('layCells', () => {
  it('cuts what is too long out of its middle and pads the rest', () => {
    const cells = [
      { text: '/v1/workflows/order-placed', width: 11 },
      { text: '202', width: 5, align: 'right' as const },
      { text: 'x', width: 3 },
    ];
    expect(layCells(cells, plainPaint)).toBe('/v1/w…laced   202 x');
  });

  it('keeps columns where they are when texts are painted', () => {
    const paint = (_tone: string, value: string) => `<${value}>`;
    expect(
      layCells(
        [
          { text: 'ab', tone: 'red', width: 4 },
          { text: 'c', width: 1 },
        ],
        paint,
      ),
    ).toBe('<ab>   <c>');
  });
});

describe('shorten and wrapWords', () => {
  it('never exceed the width, but for a single long word', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (text, width) => {
        expect(shorten(text, width).length).toBeLessThanOrEqual(width);
        const lines = wrapWords(text, width);
        expect(lines.join(' ')).toBe(text);
        for (const line of lines) if (line.length > width) expect(line).not.toContain(' ');
      }),
    );
  });
});

describe('formatMs', () => {
  it.each([
    [0.004, '0.00 ms'],
    [9.994, '9.99 ms'],
    [9.996, '10.0 ms'],
    [99.96, '100 ms'],
    [999.6, '1.00 s'],
    [12_345, '12.3 s'],
  ])('%f is %s', (ms, text) => expect(formatMs(ms)).toBe(text));
});
