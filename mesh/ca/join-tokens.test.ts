import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createJoinTokens } from './join-tokens.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('join tokens', () => {
  const identify = createJoinTokens([
    { tokenSha256: sha256('first'), spiffeId: 'spiffe://a.test/ns/b/sa/first' },
    { tokenSha256: sha256('second'), spiffeId: 'spiffe://a.test/ns/b/sa/second' },
  ]);

  it('stand for one workload each', () => {
    expect(identify('first')).toBe('spiffe://a.test/ns/b/sa/first');
    expect(identify('second')).toBe('spiffe://a.test/ns/b/sa/second');
  });

  it.each(['', 'firs', 'first ', 'FIRST', sha256('first')])('are not guessed by "%s"', (token) => {
    expect(identify(token)).toBeNull();
  });
});
