/**
 * The closed list of reasons why an exchange did not simply succeed. The same code stands in the log, the span, the metric, the
 * problem+json body (RFC 9457) and `explain`.
 *
 * Invariants: `Failure.none` is 0; codes are dense small integers, so that series are indexed by them; names are stable, because
 * alerts and dashboards match on them.
 */

/** Who is to blame: the caller, a rule of the mesh's operator, the called side, or the mesh itself. */
export type FailureSource = 'none' | 'downstream' | 'policy' | 'upstream' | 'mesh';

export interface FailureKind {
  readonly code: number;
  readonly name: string;
  readonly source: FailureSource;
  /** Whether another attempt may be made although nothing is known about idempotency: no byte of the request was processed. */
  readonly retryable: boolean;
  /** Status of the local reply; 0 when there is nobody left to answer. */
  readonly httpStatus: number;
  /** https://grpc.io/docs/guides/status-codes/ */
  readonly grpcStatus: number;
  /** One sentence for the person who reads the problem body. */
  readonly reason: string;
}

const kinds: FailureKind[] = [];

function define(
  name: string,
  source: FailureSource,
  httpStatus: number,
  grpcStatus: number,
  reason: string,
  retryable = false,
): FailureKind {
  const kind = Object.freeze({
    code: kinds.length,
    name,
    source,
    retryable,
    httpStatus,
    grpcStatus,
    reason,
  });
  kinds.push(kind);
  return kind;
}

export const Failure = Object.freeze({
  none: define('none', 'none', 0, 0, 'The exchange succeeded.'),

  malformedRequest: define('malformed_request', 'downstream', 400, 3, 'The request violates HTTP syntax.'),
  ambiguousFraming: define(
    'ambiguous_framing',
    'downstream',
    400,
    3,
    'Where the request body ends is ambiguous: content-length and transfer-encoding conflict, repeat or are malformed.',
  ),
  invalidHost: define(
    'invalid_host',
    'downstream',
    400,
    3,
    'The host field is missing, repeated, malformed or differs from the request target.',
  ),
  invalidBody: define('invalid_body', 'downstream', 400, 3, 'The framing of the request body is malformed.'),
  misdirectedRequest: define(
    'misdirected_request',
    'downstream',
    421,
    9,
    'The target is an https URI, but the connection is not encrypted; a local caller asks for http, and its sidecar encrypts.',
  ),
  targetTooLong: define(
    'target_too_long',
    'downstream',
    414,
    3,
    'The request target is longer than allowed.',
  ),
  headTooLarge: define('head_too_large', 'downstream', 431, 8, 'The request head is larger than allowed.'),
  unsupportedCoding: define(
    'unsupported_coding',
    'downstream',
    501,
    12,
    'The transfer coding of the request is not supported.',
  ),
  unsupportedMethod: define(
    'unsupported_method',
    'downstream',
    501,
    12,
    'The request method is not supported here.',
  ),
  unsupportedVersion: define(
    'unsupported_version',
    'downstream',
    505,
    12,
    'The HTTP version is not supported.',
  ),
  unsupportedExpectation: define(
    'unsupported_expectation',
    'downstream',
    417,
    3,
    'The expectation of the request is not supported.',
  ),
  requestHeadTimeout: define(
    'request_head_timeout',
    'downstream',
    408,
    4,
    'The request head did not arrive in time.',
  ),
  requestBodyTimeout: define(
    'request_body_timeout',
    'downstream',
    408,
    4,
    'The request body stopped arriving.',
  ),
  downstreamAborted: define(
    'downstream_aborted',
    'downstream',
    0,
    1,
    'The caller closed or reset its connection before the exchange was over.',
  ),
  downstreamStalled: define(
    'downstream_stalled',
    'downstream',
    0,
    1,
    'The caller stopped reading the response.',
  ),

  noRoute: define('no_route', 'policy', 404, 12, 'No service of this mesh has the requested host.'),
  noRule: define(
    'no_rule',
    'policy',
    404,
    12,
    'The service has routes, and none of their rules matches the request.',
  ),
  noBackend: define(
    'no_backend',
    'policy',
    500,
    14,
    'The rule that matched sends the request to a backend that does not exist.',
  ),
  noEndpoint: define('no_endpoint', 'mesh', 503, 14, 'The service has no endpoint.', true),
  circuitOpen: define(
    'circuit_open',
    'policy',
    503,
    14,
    'No endpoint of the service may be used: all were ejected, or failed their health checks.',
    true,
  ),
  poolOverflow: define(
    'pool_overflow',
    'mesh',
    503,
    14,
    'Too many requests wait for a connection to the endpoint.',
    true,
  ),
  overloaded: define(
    'overloaded',
    'policy',
    503,
    14,
    'The service has as many requests under way as it may have.',
    true,
  ),
  draining: define('draining', 'mesh', 503, 14, 'The sidecar is draining.', true),
  connectRefused: define(
    'connect_refused',
    'upstream',
    503,
    14,
    'The endpoint refused the connection or is unreachable.',
    true,
  ),
  connectTimeout: define(
    'connect_timeout',
    'upstream',
    503,
    14,
    'The connection to the endpoint was not set up in time.',
    true,
  ),
  tlsFailed: define(
    'tls_failed',
    'upstream',
    503,
    14,
    'The TLS handshake with the endpoint failed, or its identity is not the expected one.',
    true,
  ),
  upstreamReset: define(
    'upstream_reset',
    'upstream',
    502,
    14,
    'The endpoint closed or reset the connection before the response was complete.',
  ),
  upstreamTimeout: define(
    'upstream_timeout',
    'upstream',
    504,
    4,
    'The endpoint did not start its response in time.',
  ),
  upstreamStalled: define(
    'upstream_stalled',
    'upstream',
    504,
    4,
    'The endpoint stopped reading the request or sending the response.',
  ),
  deadlineExceeded: define(
    'deadline_exceeded',
    'upstream',
    504,
    4,
    'The deadline that the caller or the route had set passed before the response was complete.',
  ),
  invalidResponse: define(
    'invalid_response',
    'upstream',
    502,
    13,
    'The response of the endpoint violates HTTP syntax or framing.',
  ),
  malformedClientHello: define(
    'malformed_client_hello',
    'downstream',
    0,
    3,
    'The connection began with a TLS ClientHello that violates the protocol.',
  ),
  detectTimeout: define(
    'detect_timeout',
    'downstream',
    0,
    4,
    'What came of the connection was too little to tell where it should go.',
  ),
  unknownDestination: define(
    'unknown_destination',
    'policy',
    0,
    12,
    'No service of this mesh has the address or the server name that the connection asked for.',
  ),
  connectionIdle: define(
    'connection_idle',
    'policy',
    0,
    4,
    'Nothing was sent over the connection in either direction for as long as is allowed.',
  ),
  loopDetected: define(
    'loop_detected',
    'mesh',
    0,
    14,
    'The sidecar was about to connect to itself: its own connections are captured, too.',
  ),
  invalidToken: define(
    'invalid_token',
    'downstream',
    401,
    16,
    'The bearer token of the request is not one that is believed here.',
  ),
  tokenUnverifiable: define(
    'token_unverifiable',
    'mesh',
    503,
    14,
    'Whether the bearer token of the request is good could not be found out.',
    true,
  ),
  handshakeFailed: define(
    'handshake_failed',
    'downstream',
    0,
    16,
    'The TLS handshake of the caller failed, or left open who it is.',
  ),
  accessDenied: define(
    'access_denied',
    'policy',
    403,
    7,
    'The access policy of the service does not let this caller do this.',
  ),
  ambiguousRequest: define(
    'ambiguous_request',
    'downstream',
    400,
    3,
    'Which resource the request is for can be read in more than one way, which the access policy of the service does not allow.',
  ),
  rateLimited: define('rate_limited', 'policy', 429, 8, 'The caller has used up what a rate limit allows.'),
  rateLimitUnavailable: define(
    'rate_limit_unavailable',
    'mesh',
    503,
    14,
    'Whether a rate limit allows the request could not be found out, and then it is refused.',
    true,
  ),
  bodyHoldOverflow: define(
    'body_hold_overflow',
    'mesh',
    503,
    14,
    'The body is inspected before it is forwarded, and too many bytes of bodies are held already.',
    true,
  ),
  drainDeadline: define(
    'drain_deadline',
    'mesh',
    0,
    14,
    'The drain deadline passed before the exchange was over.',
  ),
  wafBlocked: define('waf_blocked', 'policy', 403, 7, 'The request looks like an attack.'),
  wafTooLarge: define(
    'waf_too_large',
    'policy',
    413,
    8,
    'The request is inspected before it is forwarded, and is larger than what is inspected.',
  ),
  wafUnparsable: define(
    'waf_unparsable',
    'policy',
    400,
    3,
    'The request is inspected before it is forwarded, and its body can not be read as what it says it is.',
  ),
  wafUnknownType: define(
    'waf_unknown_type',
    'policy',
    415,
    3,
    'The request is inspected before it is forwarded, and a body of its type can not be.',
  ),
  wafFailed: define('waf_failed', 'mesh', 500, 13, 'The inspection of the request failed.'),
  faultAbort: define(
    'fault_abort',
    'policy',
    503,
    14,
    'A fault policy ends requests on purpose, to see how their caller bears it.',
  ),
});

/** A failure whose status config decides about; it is counted and named like any other of its kind. */
export function withStatus(kind: FailureKind, httpStatus: number, grpcStatus: number): FailureKind {
  return Object.freeze({ ...kind, httpStatus, grpcStatus });
}

/** All kinds, indexed by code. */
export const FAILURES: readonly FailureKind[] = Object.freeze(kinds);
