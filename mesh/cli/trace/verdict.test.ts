import { describe, expect, it } from 'vitest';
import { type Sketch, sketchCall, sketchTrace } from './hand-built-trace.fixture.ts';
import { buildTree } from './trace-tree.ts';
import { judge } from './verdict.ts';

const ok = (at: [number, number]) => sketchCall('dispatcher', 'receiver', '/hooks', 204, at);
const broken = (at: [number, number]) => sketchCall('dispatcher', 'receiver', '/hooks', 500, at);

describe('judge', () => {
  it('finds nothing wrong where nothing is', () => {
    expect(verdictOf(ok([0, 20]))).toEqual({
      outcome: 'ok',
      where: undefined,
      words: 'every hop succeeded, through 2 services',
    });
  });

  it('blames the deepest hop that failed, not the callers that repeat it', () => {
    const inside = sketchCall('gateway', 'worker', '/runs', 502, [0, 90], [broken([10, 40])]);
    expect(verdictOf(inside)).toEqual({
      outcome: 'died',
      where: 'receiver',
      words: 'died in receiver: POST /hooks answered 500',
    });
  });

  it('finds a death behind a queue whose sender was told that all is well', () => {
    const trace = sketchCall(
      'client',
      'gateway',
      '/runs',
      202,
      [0, 20],
      [job(broken([40, 60]), ['gave up'])],
    );
    expect(verdictOf(trace)).toMatchObject({
      outcome: 'died',
      where: 'receiver',
      words: 'died in receiver: POST /hooks answered 500; dead-lettered',
    });
  });

  it('counts attempts where they were made, however deep the death is', () => {
    const caller: Sketch = {
      service: 'dispatcher',
      kind: 'server',
      at: [0, 100],
      error: '',
      children: [broken([0, 20]), broken([30, 50]), broken([60, 80])],
    };
    expect(verdictOf(caller).words).toBe('died in receiver: POST /hooks answered 500; 3 attempts');
  });

  it('does not take side by side calls for attempts', () => {
    const caller: Sketch = {
      service: 'dispatcher',
      kind: 'server',
      at: [0, 100],
      children: [ok([0, 50]), broken([10, 60])],
    };
    expect(verdictOf(caller).words).toBe('died in receiver: POST /hooks answered 500');
  });

  it('sees that a later attempt made good what failed before', () => {
    const caller: Sketch = {
      service: 'dispatcher',
      kind: 'server',
      at: [0, 100],
      children: [broken([0, 20]), broken([30, 50]), ok([60, 80])],
    };
    expect(verdictOf(caller)).toEqual({
      outcome: 'recovered',
      where: 'receiver',
      words: 'succeeded after 2 failures in receiver: POST /hooks answered 500',
    });
  });

  it('follows an answer of 4xx, which only its caller thinks an error, down to who gave it', () => {
    const call = sketchCall('dispatcher', 'receiver', '/hooks', 404, [0, 20]);
    expect(verdictOf({ ...call, error: '' })).toMatchObject({
      outcome: 'died',
      where: 'receiver',
      words: 'died in receiver: POST /hooks answered 404',
    });
  });

  it('calls it a refusal when nobody failed but the client was told 4xx', () => {
    const [edge] = sketchCall('client', 'gateway', '/runs', 401, [0, 20]).children ?? [];
    expect(verdictOf(edge as Sketch)).toMatchObject({
      outcome: 'refused',
      where: 'gateway',
      words: 'refused by gateway: POST /runs answered 401',
    });
  });

  it('calls it a refusal, too, when a sidecar answers in the name of its policies', () => {
    const refused: Sketch = {
      ...{ service: 'gateway', kind: 'server', sidecar: true, at: [0, 1], error: 'sqli-union in json.q' },
      attributes: {
        'http.request.method': 'POST',
        'url.path': '/runs',
        'http.response.status_code': 403,
        'tulle.direction': 'inbound',
        'tulle.failure.code': 'waf_blocked',
      },
    };
    expect(verdictOf(refused)).toMatchObject({
      outcome: 'refused',
      where: 'gateway',
      words:
        'refused by gateway: its sidecar answered POST /runs with 403 (waf_blocked: sqli-union in json.q)',
    });
  });

  it('names the failure that a sidecar ran into when it could reach nobody', () => {
    const lost: Sketch = {
      service: 'dispatcher',
      kind: 'client',
      sidecar: true,
      at: [0, 5],
      error: 'the endpoint refused',
      attributes: {
        'http.request.method': 'POST',
        'url.path': '/hooks',
        'http.response.status_code': 503,
        'tulle.direction': 'outbound',
        'tulle.failure.code': 'connect_refused',
      },
    };
    expect(verdictOf(lost).words).toBe(
      'died in dispatcher: its sidecar, on the way out, could not pass on POST /hooks (connect_refused: the endpoint refused)',
    );
  });

  it('lets a step speak for itself', () => {
    const step: Sketch = {
      service: 'worker',
      kind: 'internal',
      name: 'step check',
      at: [0, 1],
      error: 'step check: no orderId',
    };
    expect(verdictOf(job(step, ['gave up'])).words).toBe(
      'died in worker: step check: no orderId; dead-lettered',
    );
  });
});

function job(inside: Sketch, events: string[]): Sketch {
  return {
    service: 'gateway',
    kind: 'producer',
    at: [4, 6],
    children: [
      { service: 'dispatcher', kind: 'consumer', at: [30, 70], error: 'failed', events, children: [inside] },
    ],
  };
}

function verdictOf(...roots: Sketch[]): { outcome: string; where: string | undefined; words: string } {
  const { outcome, at, words } = judge(buildTree(sketchTrace(...roots)));
  return { outcome, where: at?.span.service, words };
}
