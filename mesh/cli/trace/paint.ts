import { styleText } from 'node:util';

// Colours as functions, so that rendering stays pure: the plain paint is the identity, and columns are padded before they are painted.

export type Tone = 'plain' | 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'blue';
export type Paint = (tone: Tone, value: string) => string;

export const plainPaint: Paint = (_tone, value) => value;

const ansiPaint: Paint = (tone, value) =>
  tone === 'plain' || value === '' ? value : styleText(tone, value, { validateStream: false });

/** Node's own judgement: a TTY, no NO_COLOR, no dumb terminal. */
export function paintFor(stream: { isTTY?: boolean; hasColors?: () => boolean }): Paint {
  return stream.isTTY === true && stream.hasColors?.() === true ? ansiPaint : plainPaint;
}
