import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { limits } from './limits.ts';
import type { Expectation } from './proof.ts';
import {
  DELIVERY_RETRY,
  EDGE,
  INTRUSION,
  portsOf,
  SERVICE_NAMES,
  spiffeId,
  type Topology,
} from './topology.ts';

// What the demo asks for, as a client outside the mesh, and what each request must turn into. One step after the other: the second asks
// about the first.

export type Step = {
  readonly title: string;
  /** `before` is the answer to the previous step. */
  readonly send: (topology: Topology, before: Answer | null) => Promise<Answer>;
  readonly expected: Omit<Expectation, 'requestId'>;
};

export type Answer = { readonly requestId: string; readonly body: string };

export const RUN_PATH = '/v1/workflows/order-placed/runs';

const INJECTION = "A-1' UNION SELECT card FROM customers--";
const FORBIDDEN = 403;

const RUN_CALLS = [
  ['workflow-worker', 'webhook-dispatcher'],
  ['webhook-dispatcher', 'webhook-receiver'],
] as const;

export const STEPS: readonly Step[] = [
  {
    title: 'A workflow run: API -> queue -> worker -> webhook',
    send: (topology) => startRun(topology, '/hooks/ok'),
    expected: { services: SERVICE_NAMES, calls: RUN_CALLS, outcome: 'ok' },
  },
  {
    title: 'A question about that run, passed on from service to service',
    send: (topology, before) => {
      const { runId } = JSON.parse(before?.body ?? '') as { runId: string };
      return send(topology, 'GET', `/v1/runs/${runId}`);
    },
    expected: {
      services: ['gateway', 'workflow-worker', 'webhook-dispatcher'],
      calls: [
        ['gateway', 'workflow-worker'],
        ['workflow-worker', 'webhook-dispatcher'],
      ],
      outcome: 'ok',
    },
  },
  {
    title: 'A run whose webhook target is broken',
    send: (topology) => startRun(topology, '/hooks/fail'),
    expected: {
      services: SERVICE_NAMES,
      calls: RUN_CALLS,
      outcome: 'died',
      blamed: 'webhook-receiver',
      words: ['POST /hooks/fail answered 500', `${DELIVERY_RETRY.attempts} attempts`, 'dead-lettered'],
    },
  },
  {
    title: 'An injection in a JSON body, which no service gets to see',
    send: (topology) => send(topology, 'POST', RUN_PATH, runBody('/hooks/ok', INJECTION), FORBIDDEN),
    expected: {
      services: [],
      spared: SERVICE_NAMES,
      calls: [],
      outcome: 'refused',
      blamed: EDGE,
      words: ['waf_blocked', 'sqli-union in json.input.orderId'],
    },
  },
  {
    title: 'A call with a good certificate, of somebody who is not on the list',
    send: intrude,
    expected: {
      services: [],
      spared: SERVICE_NAMES,
      calls: [[INTRUSION.from, INTRUSION.to]],
      outcome: 'refused',
      blamed: INTRUSION.to,
      words: ['access_denied', `peer ${spiffeId(INTRUSION.from)}`],
    },
  },
];

export function edgeUrl(topology: Topology): string {
  return `http://127.0.0.1:${portsOf(topology, EDGE).inbound}`;
}

export function runBody(hook: string, orderId = 'A-1'): string {
  return JSON.stringify({ webhookUrl: `http://webhook-receiver${hook}`, input: { orderId } });
}

function startRun(topology: Topology, hook: string): Promise<Answer> {
  return send(topology, 'POST', RUN_PATH, runBody(hook));
}

/** As the caller itself would, through its sidecar. */
function intrude(topology: Topology): Promise<Answer> {
  const sidecar = `http://127.0.0.1:${portsOf(topology, INTRUSION.from).outbound}`;
  const asked = { method: 'GET', headers: { host: INTRUSION.to } };
  return exchange(`${sidecar}/v1/dead-letters`, asked, { status: FORBIDDEN });
}

function send(
  topology: Topology,
  method: string,
  path: string,
  body?: string,
  status?: number,
): Promise<Answer> {
  const headers = { 'content-type': 'application/json', 'x-api-key': topology.apiKey };
  return exchange(edgeUrl(topology) + path, { method, headers }, { body, status });
}

/** `status` is what the answer must have, if not success. Of node:http, since fetch lets nobody choose the host. */
async function exchange(
  url: string,
  options: RequestOptions,
  { body, status }: { body?: string | undefined; status?: number | undefined },
): Promise<Answer> {
  const outgoing = request(url, { ...options, signal: AbortSignal.timeout(limits.requestMs) });
  outgoing.end(body);
  const asked = `${options.method} ${outgoing.path}`;
  const [response] = (await once(outgoing, 'response').catch((error: Error) => {
    throw new Error(`${asked} had no answer: ${error.message}`);
  })) as [IncomingMessage];
  const answer = await text(response);
  const { statusCode = 0, headers } = response;
  const requestId = headers['x-request-id'];
  const isExpected = status === undefined ? statusCode >= 200 && statusCode < 300 : statusCode === status;
  if (isExpected && typeof requestId === 'string') return { requestId, body: answer };
  const lacks = requestId === undefined ? ' and no x-request-id' : '';
  throw new Error(`${asked} was answered ${statusCode}${lacks}: ${answer.slice(0, 300)}`);
}
