import { describe, expect, test } from 'vitest';
import { Failure } from '../core/failure.ts';
import { OBSERVE_LIMITS } from './limits.ts';
import { Series } from './series.ts';
import { OVERFLOW } from './series-budget.ts';

describe('Series', () => {
  test('keep one series a name, so that counters go on across reloads', () => {
    const series = new Series();
    expect(series.route('inbound', 'http')).toBe(series.route('inbound', 'http'));
    expect(series.route('outbound', 'http')).not.toBe(series.route('inbound', 'http'));
    expect(series.listener('http')).toBe(series.listener('http'));
    expect(series.upstream('http')).toBe(series.upstream('http'));
  });

  test('share one series of each direction when there is no room', () => {
    const series = new Series();
    const { metricRoutes } = OBSERVE_LIMITS;
    for (let i = 0; i < metricRoutes; i++) series.route('outbound', `host-${i}`);
    const late = series.route('outbound', 'late');
    expect(late.route).toBe(OVERFLOW);
    expect(series.route('outbound', 'later')).toBe(late);
    expect(series.route('inbound', 'http')).toMatchObject({ route: OVERFLOW, direction: 'inbound' });
    expect(series.route('outbound', 'host-7').route).toBe('host-7');
    expect(series.routes.size).toBe(metricRoutes + 2);
  });

  test('of a listener count connections', () => {
    const listener = new Series().listener('http');
    listener.onOpened();
    listener.onOpened();
    listener.onSecured(2);
    listener.onClosed();
    listener.onRejected();
    listener.onHandshakeFailed('expired');
    expect(listener).toMatchObject({
      connections: 1,
      accepted: 2,
      rejected: 1,
      handshakes: { count: 1, sumMs: 2 },
      tlsFailures: { expired: 1, timeout: 0 },
    });
  });

  test('of an upstream count connections and time their set-up', () => {
    const upstream = new Series().upstream('http');
    upstream.onConnected(3, true);
    upstream.onConnected(1, false);
    upstream.onConnectFailed(Failure.connectRefused);
    upstream.onConnectFailed(Failure.tlsFailed);
    expect(upstream).toMatchObject({ connectFailures: 2, tlsHandshakes: 1, tlsFailures: 1 });
    expect([upstream.connectDuration.count, upstream.connectDuration.sumMs]).toEqual([2, 4]);
  });
});
