import { describe, expect, test } from 'vitest';
import { compileChain } from '../../core/chain.ts';
import { Failure } from '../../core/failure.ts';
import { OBSERVE_LIMITS } from '../../observe/limits.ts';
import { STATUS_CLASSES } from '../../observe/peer-series.ts';
import { METHODS } from '../../observe/request-line.ts';
import type { RouteSeries } from '../../observe/route-series.ts';
import { Series } from '../../observe/series.ts';
import { OVERFLOW } from '../../observe/series-budget.ts';
import { type Journey, STEP_MS, travel } from '../hand-made-exchange.ts';
import { MetricsFilter } from './metrics.ts';

function seriesOf(direction: 'inbound' | 'outbound' = 'inbound') {
  const route = new Series().route(direction, 'http');
  const chain = compileChain([new MetricsFilter(route)]);
  return { route, send: (journey: Omit<Journey, 'chain'> = {}) => travel({ chain, direction, ...journey }) };
}

const durations = (route: RouteSeries) =>
  [...route.durations()].map(({ method, status, failure, peer, overflow, duration }) => ({
    method: METHODS[method],
    status,
    failure,
    peer,
    overflow,
    count: duration.count,
  }));

/** What is not 0, by peer and class. */
const peers = (route: RouteSeries) =>
  Object.fromEntries(
    [...route.peers.counts].map(([peer, counts]) => [
      peer,
      Object.fromEntries(
        STATUS_CLASSES.map((name, index) => [name, counts[index] as number] as const).filter(
          ([, count]) => count > 0,
        ),
      ),
    ]),
  );

describe('metrics', () => {
  test('count an exchange once: duration, failure code and body bytes', () => {
    const { route, send } = seriesOf();
    send({
      requestLine: 'POST / HTTP/1.1',
      fields: ['host: a', 'content-length: 5'],
      requestBody: 'hello',
      answerBody: 'yes',
    });
    expect(durations(route)).toEqual([
      { method: 'POST', status: 200, failure: 0, peer: '', overflow: false, count: 1 },
    ]);
    expect([...route.durations()][0]?.duration.sumMs).toBe(4 * STEP_MS);
    expect([route.requestBytes, route.responseBytes, route.ended[0]]).toEqual([5, 3, 1]);
  });

  test('tell failures, statuses and peers apart', () => {
    const { route, send } = seriesOf();
    send({ peerIdentity: 'spiffe://a/b' });
    send({ answerStatus: 503 });
    send({ unavailable: Failure.connectRefused });
    send({ unavailable: Failure.connectRefused });
    const { code } = Failure.connectRefused;
    expect(durations(route)).toEqual([
      { method: 'GET', status: 200, failure: 0, peer: 'spiffe://a/b', overflow: false, count: 1 },
      { method: 'GET', status: 503, failure: 0, peer: '', overflow: false, count: 1 },
      { method: 'GET', status: 503, failure: code, peer: '', overflow: false, count: 2 },
    ]);
    expect([route.ended[0], route.ended[code]]).toEqual([2, 2]);
  });

  test('name the upstream outbound', () => {
    const { route, send } = seriesOf('outbound');
    send({ upstreamIdentity: 'spiffe://a/up', peerIdentity: '' });
    expect(durations(route)).toMatchObject([{ peer: 'spiffe://a/up', count: 1 }]);
  });

  test('are active from head to end, whatever the end', () => {
    const route = new Series().route('inbound', 'http');
    let during = 0;
    const look = {
      name: 'look',
      onResponseHead: () => {
        during = route.active;
      },
    };
    const chain = compileChain([new MetricsFilter(route), look]);
    travel({ chain });
    expect([during, route.active]).toEqual([1, 0]);
    travel({ chain, unavailable: Failure.poolOverflow });
    expect([during, route.active]).toEqual([1, 0]);
    travel({ chain, requestLine: 'unreadable' });
    expect(route.active).toBe(0);
    expect(route.ended[Failure.malformedRequest.code]).toBe(1);
  });

  test('have a bounded number of series; what has none of its own is still counted', () => {
    const { route, send } = seriesOf();
    const journeys = OBSERVE_LIMITS.metricCombinationsPerRoute + 40;
    for (let i = 0; i < journeys; i++) {
      const method = i % 2 === 0 ? 'GET' : 'PUT';
      send({ requestLine: `${method} / HTTP/1.1`, answerStatus: 200 + (i >> 1) });
    }
    const all = durations(route);
    expect(all).toHaveLength(OBSERVE_LIMITS.metricCombinationsPerRoute + 1);
    expect(all.at(-1)).toMatchObject({ overflow: true, count: 40 });
    expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(journeys);
  });

  test('have a bounded number of peers and methods', () => {
    const { route, send } = seriesOf();
    const extra = 10;
    for (let i = 0; i < OBSERVE_LIMITS.metricPeers + extra; i++) send({ peerIdentity: `spiffe://a/${i}` });
    for (let i = 0; i < 5; i++) send({ requestLine: `M${i} / HTTP/1.1` });
    const all = durations(route);
    expect(all.find(({ peer }) => peer === OVERFLOW)).toMatchObject({ count: extra });
    expect(all.filter(({ method }) => method === '_OTHER')).toMatchObject([{ count: 5 }]);
  });

  test('count who called and how it ended, by class', () => {
    const { route, send } = seriesOf();
    send({ peerIdentity: 'spiffe://a/b', answerStatus: 404 });
    send({ peerIdentity: 'spiffe://a/b', answerStatus: 204 });
    send({ unavailable: Failure.connectRefused });
    send({ answerStatus: 599 });
    expect(peers(route)).toEqual({
      'spiffe://a/b': { '2xx': 1, '4xx': 1 },
      '': { '5xx': 2 },
    });
  });

  test('count outbound whom config names, also when nobody is there to prove it', () => {
    const { route, send } = seriesOf('outbound');
    send({ upstreamIdentity: 'spiffe://a/up' });
    send({ unavailable: Failure.connectRefused });
    expect(peers(route)).toEqual({ http: { '2xx': 1, '5xx': 1 } });
  });

  test.each([
    ['0', '2xx'],
    ['5', '4xx'],
    ['14', '5xx'],
    ['77', '5xx'],
  ])('of gRPC, status %s is in the class %s', (status, expected) => {
    const { route, send } = seriesOf();
    const fields = ['host: a', 'content-type: application/grpc'];
    send({ fields, answerFields: ['content-type: application/grpc', `grpc-status: ${status}`] });
    expect(peers(route)).toEqual({ '': { [expected]: 1 } });
  });

  test('have a bounded number of peers whom they count, for a route and for all', () => {
    const series = new Series();
    const { metricPeers, metricPeerSeries } = OBSERVE_LIMITS;
    const routes = metricPeerSeries / metricPeers + 1;
    const extra = 3;
    const all = Array.from({ length: routes }, (_, r) => {
      const route = series.route('inbound', `route-${r}`);
      const chain = compileChain([new MetricsFilter(route)]);
      for (let i = 0; i < metricPeers + extra; i++) travel({ chain, peerIdentity: `spiffe://a/${i}` });
      return peers(route);
    });
    expect(Object.keys(all[0] ?? {})).toHaveLength(metricPeers + 1);
    expect(all[0]?.[OVERFLOW]).toEqual({ '2xx': extra });
    expect(all.at(-1)).toEqual({ [OVERFLOW]: { '2xx': metricPeers + extra } });
  });
});
