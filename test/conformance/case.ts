// What a conformance case is: bytes for the proxy, scripted bytes from the origin, and the verdict both sides must see.
// Expectations left out are derived: a forwarded request must arrive with the method, target, end-to-end fields, body and trailers
// that were sent, a relayed response with those of the script. A case states only what differs.

export interface Case {
  /** Stable, kebab-case, unique over all themes. */
  id: string;
  /** The rule (RFC section) or the attack (CVE, paper) behind the verdict. */
  why: string;
  send: string | Step[];
  /** The client closes its sending side behind the last byte. */
  halfClose?: true;
  /** The client reads nothing until everything is sent, as one does that writes and reads in turns. */
  sendsFirst?: true;
  /** The origin's answer to the nth request; the last one repeats. Default: 200 with the body `ok`. */
  answers?: (string | Answer)[];
  /** Bytes exchanged behind a 101: `up` by the client, then `down` by the origin. */
  tunnel?: { up: string; down: string };
  expect: Expectation;
}

/** Bytes, or a point where the client waits for what the proxy does. */
export type Step = string | { until: 'interim' | 'response' | 'upstream-head' };

export interface Answer {
  bytes: string;
  /** Sent as soon as the request's head is there, ahead of `bytes`. */
  atHead?: string;
  /** `bytes` do not wait for the request's body. */
  early?: true;
  /** `bytes` are sent when so many of the request are there, and the origin reads no further. */
  stopsAt?: number;
  after?: 'end' | 'reset';
  /** Sent after the client has its response. */
  late?: string;
}

export interface Expectation {
  /** The complete requests the origin receives, in order; null when the case is about the response alone. */
  upstream: ExpectedRequest[] | null;
  /** The origin may see the beginning of one more message, which then must break off. */
  partial: boolean;
  responses: ExpectedResponse[];
  /** The proxy may, and need not, say what was wrong before it closes (RFC 9112 8). */
  refusable?: true;
  connection: 'open' | 'closed' | 'either';
}

export interface ExpectedRequest {
  method?: string;
  target?: string;
  host?: string;
  fields?: Record<string, string | string[]>;
  absent?: string[];
  body?: string;
  trailers?: Record<string, string>;
  /** Says nothing about the fields that the case does not name (for heads that were sent with lenient syntax). */
  onlyNamed?: true;
}

export interface ExpectedResponse {
  /** From the script, or made by the proxy itself. */
  from: 'origin' | 'proxy';
  status?: number[];
  fields?: Record<string, string | string[]>;
  absent?: string[];
  body?: string;
  trailers?: Record<string, string>;
  interim?: number[];
  /** The proxy may send a 100 of its own to find out whether a half-closed client is still there. */
  mayProbe?: true;
  /** The answer to HEAD: no body follows. */
  toHead?: true;
  /** The message must not look complete: it breaks off, or the proxy still answers 502 in its place. */
  broken?: true;
}

/** Every message in `send` arrives upstream, and the script's answers come back. */
export function forward(...requests: ExpectedRequest[]): Expectation {
  const upstream = requests.length > 0 ? requests : [{}];
  return {
    upstream,
    partial: false,
    responses: upstream.map(() => ({ from: 'origin' })),
    connection: 'open',
  };
}

/** As `forward`, and the connection ends after the last response. */
export function forwardAndClose(...requests: ExpectedRequest[]): Expectation {
  return { ...forward(...requests), connection: 'closed' };
}

/** Answered by the proxy, connection closed, the origin saw no byte of it. */
export function reject(...statuses: number[]): Expectation {
  return { upstream: [], partial: false, responses: [refusal(statuses)], connection: 'closed' };
}

/** The head was fine and may have gone upstream, the body was not: answered by the proxy, closed, and the request upstream breaks off. */
export function cut(...statuses: number[]): Expectation {
  return { ...reject(...statuses), partial: true };
}

/** The client breaks off: upstream the request must break off as well. */
export function abandon(...served: ExpectedRequest[]): Expectation {
  const responses = served.map((): ExpectedResponse => ({ from: 'origin' }));
  return { upstream: served, partial: true, responses, refusable: true, connection: 'closed' };
}

/** The first requests are served, then one is refused. */
export function forwardThenReject(requests: ExpectedRequest[], ...statuses: number[]): Expectation {
  const served = forward(...requests);
  return { ...served, responses: [...served.responses, refusal(statuses)], connection: 'closed' };
}

/** The script's answer reaches the client. */
export function relay(response: Partial<ExpectedResponse> = {}): Expectation {
  return {
    upstream: null,
    partial: false,
    responses: [{ from: 'origin', ...response }],
    connection: 'either',
  };
}

/** The script's answer overtakes the request's body: it is delivered, and the rest of the body never becomes a request. */
export function relayEarly(connection: 'open' | 'closed'): Expectation {
  return { ...relay(), connection };
}

/** The answer is unusable: 502 by the proxy, and no byte of it reaches the client. */
export function badGateway(response: Partial<ExpectedResponse> = {}): Expectation {
  const refused: ExpectedResponse = { from: 'proxy', status: [502], ...response };
  return { upstream: null, partial: false, responses: [refused], connection: 'either' };
}

/** The answer began well and broke: the client must be able to tell. */
export function brokenResponse(response: Partial<ExpectedResponse> = {}): Expectation {
  return { ...relay({ broken: true, ...response }), connection: 'closed' };
}

function refusal(statuses: number[]): ExpectedResponse {
  return { from: 'proxy', status: statuses, fields: { connection: 'close' } };
}

/** One case per row of a family that differs in one place. */
export function family(
  expect: Expectation,
  send: (varied: string) => string,
  rows: [id: string, varied: string, why: string][],
): Case[] {
  return rows.map(([id, varied, why]) => ({ id, why, send: send(varied), expect }));
}
