// Compares what arrived with what the case expects; each difference is one sentence.

import type { Expectation, ExpectedRequest, ExpectedResponse } from './case.ts';
import type { Received } from './client.ts';
import { type Field, type Message, membersOf, type ResponseSequence, statusOf, valuesOf } from './message.ts';
import { printable } from './wire.ts';

/** Fields that belong to one hop (RFC 9110 7.6.1): removed, or made anew by the proxy, and checked by other means where they frame. */
const HOP_FIELDS = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What a sidecar of this mesh may add to a message that was sent without it. */
const ADDED_FIELDS = new Set([
  'connection',
  'content-length',
  'date',
  'forwarded',
  'host',
  'server',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
]);

/** In every scripted answer that must not get through: no byte of it may reach the client. */
const LEAK = /leak/i;

export function compareRequests(
  received: Message[],
  sent: (Message | null)[],
  { upstream }: Expectation,
): string[] {
  if (upstream === null) return [];
  const differences: string[] = [];
  if (received.length !== upstream.length) {
    const lines = received.map(({ startLine }) => startLine).join(', ');
    differences.push(
      `the origin received ${received.length} requests instead of ${upstream.length}: ${printable(lines)}`,
    );
  }
  upstream.forEach((expected, i) => {
    const got = received[i];
    if (got)
      differences.push(
        ...compareRequest(got, sent[i] ?? null, expected).map((text) => `upstream request ${i + 1}: ${text}`),
      );
  });
  return differences;
}

function compareRequest(got: Message, sent: Message | null, expected: ExpectedRequest): string[] {
  const differences: string[] = [];
  const [method, target, version] = got.startLine.split(' ');
  const [sentMethod, sentTarget] = sent?.startLine.split(' ') ?? [];
  check(differences, 'method', method, expected.method ?? sentMethod);
  check(differences, 'target', target, expected.target ?? sentTarget);
  check(differences, 'version', version, 'HTTP/1.1');
  const hosts = valuesOf(got.fields, 'host');
  check(differences, 'number of Host fields', hosts.length, 1);
  check(
    differences,
    'Host',
    hosts[0],
    expected.host ?? (sent && valuesOf(sent.fields, 'host')[0]) ?? undefined,
  );
  check(differences, 'body', got.body, expected.body ?? sent?.body);
  compareFields(differences, got, sent, expected);
  compareTrailers(differences, got, sent, expected.trailers);
  if (sent && sent.framing !== got.framing)
    differences.push(`framing is ${got.framing}, sent was ${sent.framing}`);
  return differences;
}

export function compareResponses(
  received: Received,
  script: (ResponseSequence | null)[],
  { responses }: Expectation,
  context: { bytes: string; sent: (Message | null)[]; reset: boolean },
): string[] {
  const differences: string[] = [];
  responses.forEach((expected, i) => {
    const got = received.responses[i];
    const asked = context.sent[i] ?? null;
    const found = expected.broken
      ? compareBroken(got, received, script[i] ?? null, expected, context.reset)
      : compareResponse(got, script[i] ?? null, expected, asked);
    differences.push(...found.map((text) => `response ${i + 1}: ${text}`));
    if (!got && !expected.broken)
      differences.push(`the client received: ${printable(context.bytes) || 'nothing'}`);
  });
  if (responses.some(({ from }) => from === 'proxy') && LEAK.test(context.bytes)) {
    differences.push(`bytes of the refused answer reached the client: ${printable(context.bytes)}`);
  }
  return differences;
}

function compareResponse(
  got: ResponseSequence | undefined,
  script: ResponseSequence | null,
  expected: ExpectedResponse,
  asked: Message | null,
): string[] {
  if (!got) return ['missing'];
  const differences: string[] = [];
  const fromOrigin = expected.from === 'origin' ? script : null;
  const statuses = expected.status ?? (fromOrigin ? [statusOf(fromOrigin.final)] : []);
  const status = statusOf(got.final);
  if (!statuses.includes(status)) differences.push(`status is ${status} instead of ${statuses.join(' or ')}`);
  if (!got.final.startLine.startsWith('HTTP/1.1 ')) differences.push(`version in ${got.final.startLine}`);
  const interim = got.interim.map(statusOf).filter((code) => !(expected.mayProbe && code === 100));
  check(
    differences,
    'interim responses',
    interim.join(),
    (expected.interim ?? fromOrigin?.interim.map(statusOf) ?? []).join(),
  );
  compareFields(differences, got.final, fromOrigin?.final ?? null, expected, expected.from === 'proxy');
  if (expected.from === 'origin' && fromOrigin) {
    compareBodylessFraming(differences, got);
    fromOrigin.interim.forEach((head, i) => {
      const gotHead = got.interim[i];
      if (gotHead) compareFields(differences, gotHead, head, {});
    });
    compareResponseFraming(differences, got.final, fromOrigin.final, expected, asked);
  }
  check(differences, 'body', got.final.body, expected.body ?? fromOrigin?.final.body);
  if (expected.from === 'proxy') compareOwnWords(differences, got.final);
  const wantsTrailers = asked ? membersOf(asked.fields, 'te').includes('trailers') : false;
  if (wantsTrailers || expected.trailers)
    compareTrailers(differences, got.final, fromOrigin?.final ?? null, expected.trailers);
  return differences;
}

/** The body names the request as the head does, readable or not, so that whoever gets it can ask for the log and the trace. */
function compareOwnWords(differences: string[], { fields, body }: Message): void {
  if (body === '' || valuesOf(fields, 'content-type')[0] !== 'application/problem+json') return;
  check(
    differences,
    'request id of the body',
    JSON.parse(body).requestId,
    valuesOf(fields, 'x-request-id')[0],
  );
}

/** Must not frame what has no body (RFC 9110 8.6, RFC 9112 6.1): a client might wait for one. */
function compareBodylessFraming(differences: string[], { interim, final }: ResponseSequence): void {
  for (const message of [...interim, final]) {
    const status = statusOf(message);
    if (status >= 200 && status !== 204) continue;
    const framing = ['content-length', 'transfer-encoding'].filter(
      (name) => valuesOf(message.fields, name).length > 0,
    );
    if (framing.length > 0) differences.push(`${framing.join(' and ')} in a ${status}`);
  }
}

/** A length that the origin declared stays declared; a body without one is framed so that its end can be told. */
function compareResponseFraming(
  differences: string[],
  got: Message,
  script: Message,
  expected: ExpectedResponse,
  asked: Message | null,
): void {
  const lengths = valuesOf(script.fields, 'content-length');
  if (lengths.length === 1 && !expected.absent?.includes('content-length')) {
    check(differences, 'Content-Length', valuesOf(got.fields, 'content-length').join(), lengths[0]);
  }
  const speaksOld = asked?.startLine.endsWith('HTTP/1.0');
  if (got.framing === 'until-close' && !speaksOld)
    differences.push('the body ends with the connection, which hides a broken one');
  if (speaksOld && valuesOf(got.fields, 'transfer-encoding').length > 0)
    differences.push('Transfer-Encoding for an HTTP/1.0 client');
}

function compareBroken(
  got: ResponseSequence | undefined,
  { partial, rest }: Received,
  script: ResponseSequence | null,
  expected: ExpectedResponse,
  reset: boolean,
): string[] {
  const message = got?.final ?? partial?.final;
  if (!message) return [];
  if (got && statusOf(got.final) === 502)
    return LEAK.test(got.final.body) ? ['the broken body was forwarded as 502'] : [];
  if (got && !reset) return [`a broken message looks complete: ${printable(got.final.body)}`];
  const differences: string[] = [];
  if (script) check(differences, 'status', statusOf(message), expected.status?.[0] ?? statusOf(script.final));
  const whole = expected.body ?? script?.final.body ?? '';
  if (!whole.startsWith(message.body))
    differences.push(`body is no beginning of what the origin sent: ${printable(rest)}`);
  return differences;
}

function compareFields(
  differences: string[],
  got: Message,
  sent: Message | null,
  expected: Pick<ExpectedRequest, 'fields' | 'absent' | 'onlyNamed'>,
  ownMessage = false,
): void {
  for (const [name, values] of Object.entries(expected.fields ?? {})) {
    const wanted = [values].flat().join(' | ');
    check(differences, name, valuesOf(got.fields, name).join(' | '), wanted);
  }
  const absent = new Set(expected.absent?.map((name) => name.toLowerCase()));
  for (const name of absent) {
    if (valuesOf(got.fields, name).length > 0) differences.push(`${name} should not be there`);
  }
  if (sent === null || expected.onlyNamed || ownMessage) return;
  const named = new Set(Object.keys(expected.fields ?? {}).map((name) => name.toLowerCase()));
  const nominated = new Set(membersOf(sent.fields, 'connection'));
  for (const name of namesOf(sent.fields)) {
    if (HOP_FIELDS.has(name) || nominated.has(name) || named.has(name) || absent.has(name) || name === 'host')
      continue;
    check(differences, name, valuesOf(got.fields, name).join(' | '), valuesOf(sent.fields, name).join(' | '));
  }
  for (const name of namesOf(got.fields)) {
    if (nominated.has(name) && !ADDED_FIELDS.has(name) && !named.has(name))
      differences.push(`${name} was nominated by Connection`);
    else if (!ADDED_FIELDS.has(name) && !named.has(name) && valuesOf(sent.fields, name).length === 0) {
      differences.push(`${name} appears from nowhere`);
    }
  }
}

function compareTrailers(
  differences: string[],
  got: Message,
  sent: Message | null,
  expected: Record<string, string> | undefined,
): void {
  const wanted = expected
    ? Object.entries(expected).map(([name, value]) => ({ name, value }))
    : (sent?.trailers ?? null);
  if (wanted) check(differences, 'trailers', describeFields(got.trailers), describeFields(wanted));
}

function describeFields(fields: Field[]): string {
  return fields.map(({ name, value }) => `${name.toLowerCase()}: ${value}`).join(', ');
}

function namesOf(fields: Field[]): Set<string> {
  return new Set(fields.map(({ name }) => name.toLowerCase()));
}

function check<T extends string | number>(
  differences: string[],
  what: string,
  got: T | undefined,
  wanted: T | undefined,
): void {
  if (wanted === undefined || got === wanted) return;
  differences.push(`${what} is ${printable(String(got))} instead of ${printable(String(wanted))}`);
}
