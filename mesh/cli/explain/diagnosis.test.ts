import { describe, expect, it, test } from 'vitest';
import { type Sketch, sketchTrace } from '../trace/hand-built-trace.fixture.ts';
import {
  atGateway,
  atWorker,
  call,
  code,
  sidecarIn,
  sidecarOut,
  toWorker,
  upTo,
} from './diagnosis.fixture.ts';
import { diagnose } from './diagnosis.ts';
import { tellDiagnosis } from './words.ts';

type Case = [
  what: string,
  trace: Sketch,
  /** `outcome / hop / phase / failure code` */
  expected: string,
  ...words: string[],
];

/** What a sidecar refuses before it lets it in. */
function refusedAtEdge(failure: string, status: number, attributes = {}): Sketch {
  return sidecarIn('gateway', { status, code: failure, phases: upTo('filters'), attributes });
}

/** What ends between the gateway's sidecar and the worker. */
function lostOnTheWay(failure: string, status: number, phase: Parameters<typeof upTo>[0], attributes = {}) {
  return atGateway(status, toWorker({ status, code: failure, phases: upTo(phase), attributes }));
}

/** After 50 ms, by the gateway; the code of the worker is at it from `at[0]` to `at[1]`. */
function givenUp(at: [number, number]): Sketch {
  const aborted = { code: 'downstream_aborted', phases: upTo('upstream') };
  const worker = code('worker', { at, attributes: { 'error.type': 'aborted' } });
  const onTheWay = toWorker({
    ...aborted,
    children: [sidecarIn('worker', { ...aborted, children: [worker] })],
  });
  const error = 'worker did not answer within 50 ms';
  const attributes = { 'error.type': 'timeout' };
  return atGateway(504, call('gateway', 'worker', { error, attributes, children: [onTheWay] }));
}

const queueAttributes = { 'messaging.system': 'bullmq', 'messaging.destination.name': 'runs' };
const sent = (error: string, type: string): Sketch => ({
  service: 'gateway',
  kind: 'producer',
  at: [5, 10],
  error,
  attributes: { ...queueAttributes, 'error.type': type },
});
const job = (given: Partial<Sketch>): Sketch => ({
  service: 'worker',
  kind: 'consumer',
  at: [60, 90],
  attributes: { ...queueAttributes, ...given.attributes },
  ...given,
});
const queued = (taken: Sketch): Sketch =>
  atGateway(202, {
    service: 'gateway',
    kind: 'producer',
    at: [5, 10],
    attributes: queueAttributes,
    children: [taken],
  });

const CASES: Case[] = [
  // The edge.
  [
    'edge auth, by token',
    refusedAtEdge('invalid_token', 401),
    'refused / gateway sidecar in / filters / invalid_token',
    'bearer token',
    'A token policy refused it',
  ],
  [
    'what policies in shadow mode would have done',
    sidecarIn('gateway', {
      status: 200,
      attributes: {
        'tulle.policy.shadow':
          'jwt shop/login expired,waf shop/a sqli,rate_limit shop/tenants minute,fault shop/chaos delay,retry',
      },
    }),
    'ok / null / null / null',
    'The token policy shop/login (rule expired) would have refused it at gateway sidecar in (shadow).',
    'The rate limit policy shop/tenants (rule minute) would have refused it at gateway sidecar in (shadow).',
    'The fault policy shop/chaos (rule delay) would have delayed it',
    'A retry policy would have repeated it',
  ],
  [
    'edge auth, by the gateway itself',
    atGateway(401),
    'refused / gateway service in / code / 401',
    'in its own code',
    'was answered 401',
  ],
  [
    'keys of the issuer are away',
    refusedAtEdge('token_unverifiable', 503),
    'died / gateway sidecar in / filters / token_unverifiable',
    'could not be found out',
  ],
  [
    'no access',
    refusedAtEdge('access_denied', 403, {
      'tulle.access.decision': 'deny',
      'tulle.access.policy': 'shop/gw',
      'tulle.access.rule': 'no_rule',
    }),
    'refused / gateway sidecar in / filters / access_denied',
    'The access policy shop/gw refused it at gateway sidecar in.',
  ],
  [
    'limiter',
    refusedAtEdge('rate_limited', 429, {
      'tulle.failure.detail': 'shop/fair-use/per-tenant: 9 in 60 s',
      'tulle.policy.refusal': 'rate_limit shop/fair-use per-tenant',
    }),
    'refused / gateway sidecar in / filters / rate_limited',
    'rate_limited (429) after 50.0 ms.',
    'In detail: shop/fair-use/per-tenant: 9 in 60 s.',
    'The rate limit policy shop/fair-use (rule per-tenant) refused it',
  ],
  [
    'limiter without its store',
    refusedAtEdge('rate_limit_unavailable', 503),
    'died / gateway sidecar in / filters / rate_limit_unavailable',
  ],
  [
    'attack',
    refusedAtEdge('waf_blocked', 403, {
      'tulle.waf.decision': 'block',
      'tulle.waf.policy': 'shop/edge',
      'tulle.waf.rule': 'sqli',
    }),
    'refused / gateway sidecar in / filters / waf_blocked',
    'The waf policy shop/edge (rule sqli) refused it',
  ],
  [
    'too large to inspect',
    refusedAtEdge('waf_too_large', 413),
    'refused / gateway sidecar in / filters / waf_too_large',
  ],
  [
    'shed',
    refusedAtEdge('overloaded', 503),
    'died / gateway sidecar in / filters / overloaded',
    'A concurrency limit policy refused it',
  ],
  [
    'fault on purpose',
    refusedAtEdge('fault_abort', 503),
    'died / gateway sidecar in / filters / fault_abort',
    'on purpose',
  ],
  [
    'nobody has that host',
    refusedAtEdge('no_route', 404),
    'refused / gateway sidecar in / filters / no_route',
  ],
  [
    'broken head',
    sidecarIn('gateway', { status: 400, code: 'malformed_request', phases: upTo('head') }),
    'refused / gateway sidecar in / head / malformed_request',
  ],
  [
    'head never came',
    sidecarIn('gateway', { status: 408, code: 'request_head_timeout', phases: upTo('head') }),
    'refused / gateway sidecar in / head / request_head_timeout',
  ],
  [
    'caller went away',
    sidecarIn('gateway', { code: 'downstream_aborted', phases: upTo('upstream') }),
    'died / gateway sidecar in / upstream / downstream_aborted',
    'The caller got no answer.',
  ],

  // On the way.
  [
    'breaker',
    lostOnTheWay('circuit_open', 503, 'pool'),
    'died / gateway sidecar out / pool / circuit_open',
    'on the way to worker',
    'A circuit breaker policy refused it',
  ],
  [
    'no endpoint',
    lostOnTheWay('no_endpoint', 503, 'pool'),
    'died / gateway sidecar out / pool / no_endpoint',
  ],
  [
    'pool is full',
    lostOnTheWay('pool_overflow', 503, 'pool'),
    'died / gateway sidecar out / pool / pool_overflow',
  ],
  [
    'worker is away',
    lostOnTheWay('connect_refused', 503, 'connect'),
    'died / gateway sidecar out / connect / connect_refused',
    'in its connect phase',
  ],
  [
    'network is away',
    lostOnTheWay('connect_timeout', 503, 'connect'),
    'died / gateway sidecar out / connect / connect_timeout',
  ],
  [
    'TLS to the worker',
    lostOnTheWay('tls_failed', 503, 'connect', { 'tulle.failure.detail': 'certificate has expired' }),
    'died / gateway sidecar out / connect / tls_failed',
    'TLS handshake',
    'certificate has expired',
  ],
  [
    'reset',
    lostOnTheWay('upstream_reset', 502, 'upstream'),
    'died / gateway sidecar out / upstream / upstream_reset',
  ],
  [
    'too late',
    lostOnTheWay('upstream_timeout', 504, 'upstream'),
    'died / gateway sidecar out / upstream / upstream_timeout',
  ],
  [
    'cut off',
    lostOnTheWay('upstream_stalled', 504, 'response'),
    'died / gateway sidecar out / response / upstream_stalled',
  ],
  [
    'tried again in vain',
    lostOnTheWay('connect_refused', 503, 'connect', { 'tulle.attempts': 3 }),
    'died / gateway sidecar out / connect / connect_refused',
    'The retry policy acted at gateway sidecar out: 3 attempts.',
  ],
  [
    'worker lets nobody in',
    atGateway(
      403,
      toWorker({
        status: 403,
        children: [sidecarIn('worker', { status: 403, code: 'access_denied', phases: upTo('filters') })],
      }),
    ),
    'refused / worker sidecar in / filters / access_denied',
  ],

  // Behind the sidecars.
  [
    'worker code',
    atWorker(500),
    'died / worker service in / code / 500',
    'worker service in, in its own code',
  ],
  [
    'worker code, no spans of its own',
    atGateway(500, toWorker({ status: 500, children: [sidecarIn('worker', { status: 500 })] })),
    'died / worker sidecar in / upstream / 500',
  ],
  [
    'worker behind its sidecar is away',
    atGateway(
      503,
      toWorker({
        status: 503,
        children: [sidecarIn('worker', { status: 503, code: 'connect_refused', phases: upTo('connect') })],
      }),
    ),
    'died / worker sidecar in / connect / connect_refused',
  ],
  [
    'a step of the worker',
    queued(
      job({
        error: '',
        events: ['gave up'],
        children: [
          {
            service: 'worker',
            kind: 'internal',
            name: 'step embed',
            at: [61, 80],
            error: 'step embed: no model',
            attributes: { 'error.type': 'TypeError' },
          },
        ],
      }),
    ),
    'died / worker service / code / TypeError',
    'In detail: step embed: no model.',
    'it does not know',
  ],
  [
    'a job for good',
    queued(job({ error: 'no such tenant', attributes: { 'error.type': 'PermanentFailure' } })),
    'died / worker job taken / code / PermanentFailure',
  ],
  [
    'Redis',
    atGateway(503, sent('connect ECONNREFUSED', 'queue_unavailable')),
    'died / gateway job sent / call / queue_unavailable',
    'on the way to bullmq runs',
  ],
  ['a full queue', atGateway(503, sent('', 'queue_full')), 'died / gateway job sent / call / queue_full'],
  [
    'Redis, seen by its sidecar',
    atGateway(
      503,
      sidecarOut('gateway', 'redis', {
        error: '',
        phases: { waited: 0.1, server: 3, response: 0 },
        attributes: { 'db.system.name': 'redis', 'db.response.status_code': 'OOM', 'error.type': 'OOM' },
      }),
    ),
    'died / gateway sidecar out / server / OOM',
    'on the way to redis',
  ],
  [
    'vector store answers an error',
    atWorker(
      502,
      call('worker', 'vectors', {
        status: 500,
        children: [sidecarOut('worker', 'vectors', { status: 500 })],
      }),
    ),
    'died / worker sidecar out / upstream / 500',
    'on the way to vectors',
  ],
  [
    'vector store is away',
    atWorker(
      502,
      call('worker', 'vectors', { error: 'no connection', attributes: { 'error.type': 'connect_failed' } }),
    ),
    'died / worker service out / call / connect_failed',
    'while it waited for an answer',
  ],
  [
    'vector store, found out by TLS',
    atWorker(
      502,
      call('worker', 'vectors', {
        status: 503,
        children: [sidecarOut('worker', 'vectors', { status: 503, code: 'tls_failed', phases: upTo('tls') })],
      }),
    ),
    'died / worker sidecar out / tls / tls_failed',
    'in its tls phase',
  ],
  [
    'webhook target',
    queued(
      job({
        error: 'target answered 500',
        events: ['gave up'],
        children: [
          call('worker', 'hooks.example', {
            status: 500,
            at: [61, 80],
            children: [sidecarOut('worker', 'hooks.example', { status: 500, at: [62, 79] })],
          }),
        ],
      }),
    ),
    'died / worker sidecar out / upstream / 500',
    'on the way to hooks.example',
    'The caller had been answered 202',
  ],
  [
    'webhook target is away',
    queued(
      job({
        error: '',
        children: [
          sidecarOut('worker', 'hooks.example', {
            status: 503,
            code: 'connect_timeout',
            phases: upTo('connect'),
            at: [62, 79],
          }),
        ],
      }),
    ),
    'died / worker sidecar out / connect / connect_timeout',
  ],
  [
    'a caller that did not wait',
    givenUp([5, 90]),
    'died / worker service in / code / timeout',
    'It was gateway service out that did not wait any longer.',
    'In detail: worker did not answer within 50 ms.',
  ],
  [
    'a caller that did not wait, and a worker that had not begun',
    givenUp([80, 90]),
    'died / worker sidecar in / upstream / timeout',
  ],
  [
    'a defect, as the service calls it',
    atGateway(
      500,
      toWorker({
        status: 500,
        children: [
          code('worker', {
            status: 500,
            attributes: { 'tulle.problem.code': 'internal', 'tulle.problem.detail': 'TypeError' },
          }),
        ],
      }),
    ),
    'died / worker service in / code / internal',
    'internal (500) after',
    'In detail: TypeError.',
  ],
  ['not found', atWorker(404), 'refused / worker service in / code / 404'],

  // All is well, more or less.
  [
    'a caller that does without',
    atGateway(200, toWorker({ status: 500, at: [1, 10] })),
    'recovered / gateway sidecar out / upstream / 500',
  ],
  [
    'a caller that wants to know whether it is there',
    atGateway(200, toWorker({ status: 404 })),
    'ok / null / null / null',
  ],
  [
    'a job that nobody has taken',
    atGateway(202, { service: 'gateway', kind: 'producer', at: [5, 10], attributes: queueAttributes }),
    'ok / null / null / null',
    'succeeded at every hop so far',
    'It is not over: nobody has taken the job out of runs yet.',
  ],
  ['ok', atWorker(200), 'ok / null / null / null', 'succeeded at every hop'],
  [
    'better the second time',
    atGateway(
      200,
      toWorker({ status: 503, code: 'connect_refused', phases: upTo('connect'), at: [1, 10] }),
      toWorker({ status: 200, at: [20, 30] }),
    ),
    'recovered / gateway sidecar out / connect / connect_refused',
    'succeeded in the end',
    'It was tried 2 times.',
  ],
  [
    'slow code',
    sidecarIn('gateway', {
      status: 200,
      at: [0, 900],
      usual: [3, 48],
      phases: { upstream: 899 },
      children: [code('gateway', { status: 200, at: [1, 899] })],
    }),
    'slow / gateway service in / code / null',
    'longer than 99 of 100 do: half of its requests take 3.00 ms at most, 99 of 100 48.0 ms.',
  ],
  [
    'slow connection',
    atGateway(
      200,
      toWorker({ status: 200, at: [0, 50], usual: [2, 9], phases: { pool: 1, connect: 40, upstream: 9 } }),
    ),
    'slow / gateway sidecar out / connect / null',
    'in its connect phase',
  ],
  [
    'waiting at a limit',
    sidecarIn('gateway', {
      status: 200,
      at: [0, 50],
      usual: [2, 9],
      phases: { head: 0.1, limiter: 45, filters: 0.1, upstream: 4 },
    }),
    'slow / gateway sidecar in / limiter / null',
    'in its limiter phase',
  ],
  [
    'the third attempt',
    atGateway(
      200,
      toWorker({ status: 200, at: [0, 50], usual: [2, 9], phases: { head: 0.1, retry: 40, upstream: 9 } }),
    ),
    'slow / gateway sidecar out / retry / null',
    'in its retry phase',
  ],
  [
    'a caller that reads slowly',
    sidecarIn('gateway', {
      status: 200,
      at: [0, 50],
      usual: [2, 9],
      phases: { head: 0.1, upstream: 4, downstream: 45, response: 0.1 },
    }),
    'slow / gateway sidecar in / downstream / null',
    'in its downstream phase',
  ],
  [
    'slow database',
    sidecarIn('worker', {
      status: 200,
      at: [0, 200],
      usual: [3, 20],
      phases: { upstream: 200 },
      children: [
        code('worker', { status: 200, at: [1, 199], children: [call('worker', 'mongo', { at: [5, 190] })] }),
      ],
    }),
    'slow / worker service out / call / null',
    'on the way to mongo',
  ],
  [
    'slow, but as usual',
    sidecarIn('gateway', { status: 200, at: [0, 900], usual: [800, 950] }),
    'ok / null / null / null',
    'within what is usual',
  ],
];

describe('diagnose', () => {
  test.each(CASES)('%s', (_what, trace, expected, ...words) => {
    const diagnosis = diagnose(sketchTrace(trace), 'req-1');
    const { outcome, hop, phase, failureCode } = diagnosis;
    expect(`${outcome} / ${hop} / ${phase} / ${failureCode}`).toBe(expected);
    for (const part of words) expect(tellDiagnosis(diagnosis)).toContain(part);
  });

  it('has causes and something to do for whatever went wrong', () => {
    for (const [, trace] of CASES) {
      const { outcome, causes, next } = diagnose(sketchTrace(trace), null);
      expect([causes.length > 0, next.length > 0]).toEqual(outcome === 'ok' ? [false, false] : [true, true]);
      expect([...causes, ...next].join()).not.toMatch(/null|undefined/);
    }
  });
});
