/**
 * What a person does about each failure: where it usually comes from, and what to look at first. Read by the reference page and by
 * `tulle explain`, never on the request path.
 *
 * Invariant: every failure has its entry; the compiler holds that.
 */
import {
  RATE_LIMIT_DECISIONS,
  RATE_LIMIT_REDIS_FAILURES,
  RATE_LIMIT_REDIS_UP,
} from '../filters/rate-limit/metrics.ts';
import { ENDPOINT_AVAILABLE, ENDPOINT_EJECTIONS } from '../observe/group-exposition.ts';
import { DOWNSTREAM_TLS_FAILURES } from '../observe/listener-exposition.ts';
import { Failure, type FailureKind } from './failure.ts';

export interface FailureGuide {
  /** Usual causes, the most frequent first. */
  readonly causes: readonly string[];
  /** What to do, in this order. */
  readonly advice: readonly string[];
}

const GUIDES: Readonly<Record<Exclude<keyof typeof Failure, 'none'>, FailureGuide>> = {
  malformedRequest: {
    causes: [
      'a client that writes HTTP by hand',
      'a scanner',
      'TLS or another protocol spoken to a plain HTTP port',
    ],
    advice: ['look at the detail for what was wrong', 'compare with a request by curl'],
  },
  ambiguousFraming: {
    causes: ['an attempt at request smuggling', 'a proxy in front that adds a second length'],
    advice: [
      'find out who sent it (peer address in the log)',
      'have the sender write one content-length or one transfer-encoding',
    ],
  },
  invalidHost: {
    causes: ['a client without a Host field', 'an absolute target that differs from Host'],
    advice: ['have the client send one Host field that names the service'],
  },
  invalidBody: {
    causes: ['a broken chunk size', 'a sender that stopped in the middle of a chunk'],
    advice: ['look at the sender: its own log says why it stopped or what it wrote'],
  },
  misdirectedRequest: {
    causes: ['an application that calls https:// through its sidecar in clear'],
    advice: ['call the service by http://: the sidecar encrypts'],
  },
  targetTooLong: {
    causes: ['a search or filter in the query that belongs into a body'],
    advice: ['shorten the target, or send its content as a body'],
  },
  headTooLarge: {
    causes: ['cookies or tokens that have grown', 'a proxy that adds a field at each hop'],
    advice: ['look at which field is large, and at who adds it'],
  },
  unsupportedCoding: {
    causes: ['a transfer-encoding other than chunked'],
    advice: ['have the client use content-encoding for compression'],
  },
  unsupportedMethod: {
    causes: ['CONNECT to a listener that does not tunnel'],
    advice: ['check what the client was told to use as its proxy'],
  },
  unsupportedVersion: {
    causes: ['a client that speaks HTTP/0.9 or a version to come', 'a scanner'],
    advice: ['have the client speak HTTP/1.1 or HTTP/2'],
  },
  unsupportedExpectation: {
    causes: ['an Expect field other than 100-continue'],
    advice: ['leave the field out'],
  },
  requestHeadTimeout: {
    causes: [
      'a slow or stalled client network',
      'connections that are opened and not used',
      'an attempt to hold connections (slowloris)',
    ],
    advice: ['look at the peer addresses: one or all?', '`timeouts.headMs` is the bound'],
  },
  requestBodyTimeout: {
    causes: ['an upload that stopped', 'a client that waits for an answer before it sends the rest'],
    advice: ['look at the client', '`timeouts.bodyIdleMs` is the bound'],
  },
  downstreamAborted: {
    causes: [
      'the caller gave up: its own timeout is shorter than the answer took',
      'a user who left the page',
      'a caller that restarted',
    ],
    advice: [
      'compare how long the request had taken with the timeout of the caller',
      'if the times are equal, the service is too slow for it',
    ],
  },
  downstreamStalled: {
    causes: ['a caller that reads slower than the service sends', 'a caller that is stuck'],
    advice: ['look at the CPU and the event loop of the caller'],
  },
  noRoute: {
    causes: ['a misspelt host name', 'a service that is not in `outbound.services`'],
    advice: ['compare the Host of the request with the config (`/config_dump`)'],
  },
  noRule: {
    causes: ['a path or method that no HTTPRoute matches'],
    advice: [
      'compare path, method and headers with the rules of the route',
      'a rule without matches takes the rest',
    ],
  },
  noBackend: {
    causes: ['a backendRef to a service that does not exist, or of another namespace'],
    advice: ['`--check` names it', 'correct the route'],
  },
  noEndpoint: {
    causes: ['the service is scaled to zero, or none of its pods is ready'],
    advice: ['look at the pods of the service', `look at \`${ENDPOINT_AVAILABLE.name}\``],
  },
  circuitOpen: {
    causes: ['endpoints failed several times in a row and were ejected', 'health checks fail'],
    advice: [
      `the detail names the endpoints and why: look at them, and at \`${ENDPOINT_EJECTIONS.name}\` by reason`,
      'they come back by themselves when probes succeed',
      '`outlierDetection` and `healthCheck` of the TrafficPolicy of the called service are the bounds',
    ],
  },
  poolOverflow: {
    causes: ['the service is slower than requests come', 'one connection is stuck'],
    advice: ['look at the latency of the endpoint', 'a concurrency limit would refuse earlier and by policy'],
  },
  overloaded: {
    causes: ['the service is slower than usual', 'more requests than usual'],
    advice: [
      'compare latency and rate with yesterday',
      'scale the service, or raise `concurrency` of its TrafficPolicy if it was idle',
    ],
  },
  draining: {
    causes: ['a rollout: the pod is ending'],
    advice: ['nothing, if callers tried again elsewhere', 'else look at whether they may retry'],
  },
  connectRefused: {
    causes: ['the service is not running, or not listening on that port', 'the pod has just ended'],
    advice: ['look at the service behind the endpoint: is it up, does it listen where the config says?'],
  },
  connectTimeout: {
    causes: [
      'a network policy or firewall drops packets',
      'a node that is gone',
      'a service whose accept queue is full',
    ],
    advice: [
      'connect by hand from the same pod',
      'look at network policies',
      '`timeouts.connectMs` is the bound',
    ],
  },
  tlsFailed: {
    causes: [
      'the identity of the peer is another than configured',
      'an expired certificate',
      'a peer without mTLS on that port',
      'roots that do not fit',
    ],
    advice: [
      'the detail says what was refused',
      'look at the SVID of both sides (`/healthz/ready`)',
      'look at whether the authority answers, and whether both sides trust the same roots',
    ],
  },
  upstreamReset: {
    causes: [
      'the service crashed or was killed (out of memory?)',
      'the service closed a connection that it had kept open',
      'a proxy in between gave up',
    ],
    advice: ['look at the log and restarts of the service at that moment'],
  },
  upstreamTimeout: {
    causes: ['the service is slow, or waits for something that is', 'a lock, a full pool, a slow query'],
    advice: [
      'look further down the trace: which call of the service was still open?',
      '`timeouts.attemptMs` of its TrafficPolicy is the bound, else `timeouts.upstreamMs` of the sidecar',
    ],
  },
  upstreamStalled: {
    causes: [
      'the service stopped in the middle of its answer',
      'the event loop or thread of the service is blocked',
    ],
    advice: ['look at the CPU and garbage collection of the service'],
  },
  deadlineExceeded: {
    causes: [
      'the caller allows less time than the service needs',
      'time was used up by attempts before this one',
    ],
    advice: [
      'look at `tulle.attempts` and the phases: where did the time go?',
      'compare the deadline with what is usual for the route',
    ],
  },
  invalidResponse: {
    causes: ['a service that writes HTTP by hand', 'a protocol other than HTTP on that port'],
    advice: ['the detail says what was wrong', 'ask the service directly with curl'],
  },
  malformedClientHello: {
    causes: ['something else than TLS on a TLS port', 'a scanner'],
    advice: ['look at the peer address'],
  },
  detectTimeout: {
    causes: [
      'a client that waits for the server to speak first',
      'a connection that was opened and not used',
    ],
    advice: ['name the protocol of the port in the config instead of `auto`'],
  },
  unknownDestination: {
    causes: ['a captured connection to something outside of the mesh while `unknown: reject` holds'],
    advice: ['add the destination as a service, or let unknown connections pass'],
  },
  connectionIdle: {
    causes: ['a connection that nobody used any more'],
    advice: ['nothing', 'else send keep-alives, or raise `timeouts.tcpIdleMs`'],
  },
  loopDetected: {
    causes: ['redirect rules that do not spare the user of the sidecar'],
    advice: ['correct the rules: what the sidecar sends must not be captured'],
  },
  invalidToken: {
    causes: [
      'an expired token',
      'a token of another issuer or for another audience',
      'a caller whose clock is wrong',
    ],
    advice: ['the detail says which check failed', 'have the caller get a new token'],
  },
  tokenUnverifiable: {
    causes: ['the issuer of the tokens can not be reached, and its keys were never loaded'],
    advice: [
      'look at whether the JWKS URL answers from the pod',
      'look at the age of the keys in the metrics',
    ],
  },
  handshakeFailed: {
    causes: [
      'a caller outside of the mesh',
      'a certificate that is expired, denied, or of a trust domain that is not accepted',
    ],
    advice: ['the log line says address and reason', `look at \`${DOWNSTREAM_TLS_FAILURES.name}\` by reason`],
  },
  accessDenied: {
    causes: [
      'a caller that is not on the list',
      'a path or method that no rule allows',
      'a token without the claim that is asked for',
    ],
    advice: [
      'the detail names the policy and the rule',
      'if the call is meant, add it to the AccessPolicy; try it in shadow mode first',
    ],
  },
  ambiguousRequest: {
    causes: [
      'encoded slashes or dots in the path, where a policy decides by path',
      'an attempt to get around a policy',
    ],
    advice: ['have the caller send the plain path'],
  },
  rateLimited: {
    causes: ['a tenant that asks more than its share', 'a client that tries again without a pause'],
    advice: [
      'the detail names policy, limit and window',
      `look at who it is: \`${RATE_LIMIT_DECISIONS.name}\` by policy and limit, and the access log`,
      'have the client honour Retry-After',
    ],
  },
  rateLimitUnavailable: {
    causes: ['the Redis of shared limits is slow or gone, and the policy says deny'],
    advice: [
      `look at that Redis: \`${RATE_LIMIT_REDIS_UP.name}\`, and \`${RATE_LIMIT_REDIS_FAILURES.name}\` by reason`,
      'decide whether `onFailure: allow` or `local` is the better answer of the policy',
    ],
  },
  bodyHoldOverflow: {
    causes: ['many large uploads to a route with a WAF policy at the same time', 'slow uploads'],
    advice: ['look at who uploads', 'lower the bound of one body, or exempt the route of uploads'],
  },
  drainDeadline: {
    causes: ['a request that takes longer than the drain may'],
    advice: ['raise `timeouts.drainMs` and the grace period of the pod, or shorten the request'],
  },
  wafBlocked: {
    causes: ['an attack', 'a text that looks like one'],
    advice: [
      'the detail names rules and places',
      'a sample stands in the log, cut and masked',
      'if it was harmless, write an exception for that rule and place',
    ],
  },
  wafTooLarge: {
    causes: ['an upload on a route whose bodies are inspected'],
    advice: ['raise the bound for the route, or declare what is done beyond it'],
  },
  wafUnparsable: {
    causes: [
      'a body that is not what its content-type says',
      'an attempt to hide something from the inspection',
    ],
    advice: ['have the client send a valid body with its true type'],
  },
  wafUnknownType: {
    causes: ['a content-type that the inspection does not know'],
    advice: ['name the type in the policy, or exempt the route'],
  },
  wafFailed: {
    causes: ['a fault of the inspection itself'],
    advice: ['report it with the log line; until then shadow mode lets requests pass'],
  },
  faultAbort: {
    causes: ['a FaultPolicy is in force'],
    advice: ['take it away when the experiment is over'],
  },
};

const BY_CODE = new Map<number, FailureGuide>(
  Object.entries(GUIDES).map(([key, guide]) => [Failure[key as keyof typeof Failure].code, guide]),
);

/** Null for success. */
export function guideTo({ code }: FailureKind): FailureGuide | null {
  return BY_CODE.get(code) ?? null;
}
