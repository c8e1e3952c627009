import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../sidecar/src/core/manual-clock.fixture.ts';
import { LIMITS } from './limits.ts';
import { type Subscription, TraceSharing } from './trace-sharing.ts';

let clock: ManualClock;
let traces: TraceSharing;

beforeEach(() => {
  clock = new ManualClock(0);
  traces = new TraceSharing(clock, () => 1);
});

interface Listener {
  readonly subscription: Subscription;
  readonly heard: string[];
  slow: boolean;
}

function join(): Listener {
  const listener = {
    heard: [] as string[],
    slow: false,
    write(ids: Buffer): boolean {
      if (listener.slow) return false;
      for (let at = 0; at < ids.length; at += 16) listener.heard.push(ids.toString('hex', at, at + 16));
      return true;
    },
  };
  const subscription = traces.subscribe(listener);
  if (subscription === null) throw new Error('refused');
  return Object.assign(listener, { subscription });
}

const idOf = (number: number) => number.toString(16).padStart(32, '0');
const ids = (...numbers: number[]) => Buffer.from(numbers.map(idOf).join(''), 'hex');
const pass = () => clock.advance(LIMITS.batchMs);

describe('what one keeps', () => {
  test('all others hear, once and together', async () => {
    const [one, two, three] = [join(), join(), join()];
    one.subscription.tell(ids(1, 2));
    two.subscription.tell(ids(3));
    two.subscription.tell(ids(1));
    await pass();
    expect([one, two, three].map(({ heard }) => heard)).toEqual([
      [idOf(3)],
      [idOf(1), idOf(2)],
      [idOf(1), idOf(2), idOf(3)],
    ]);
    three.subscription.tell(ids(2));
    await pass();
    expect(one.heard).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('is not told to who has left', async () => {
    const [one, two] = [join(), join()];
    two.subscription.end();
    one.subscription.tell(ids(1));
    await pass();
    expect(two.heard).toEqual([]);
    expect(traces.subscribers).toBe(1);
  });

  test('is missed by who is slow, and by nobody else', async () => {
    const [one, two, three] = [join(), join(), join()];
    two.slow = true;
    one.subscription.tell(ids(1, 2, 3));
    await pass();
    expect(three.heard).toHaveLength(3);
    expect(traces.dropped.slow).toBe(3);
    two.slow = false;
    one.subscription.tell(ids(4));
    await pass();
    expect(two.heard).toEqual([idOf(4)]);
  });

  test('is bounded for each sidecar, so that one can not speak for all', async () => {
    const [one, two] = [join(), join()];
    const many = Array.from({ length: LIMITS.idsPerSecond + 10 }, (_, i) => i + 1);
    one.subscription.tell(ids(...many));
    two.subscription.tell(ids(1_000_000));
    await pass();
    expect(two.heard).toHaveLength(LIMITS.idsPerSecond);
    expect(one.heard).toEqual([idOf(1_000_000)]);
    expect(traces.dropped.flood).toBe(10);
  });
});
