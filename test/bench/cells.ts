// The benchmark's matrix: every scenario with each of its workloads, numbers of concurrent requests and kinds of load.

export type ScenarioName = 'bare' | 'features' | 'policies' | 'waf' | 'tracing' | 'pair' | 'grpc' | 'tcp';
type LoadName = 'saturated' | 'equal-rate';

export interface Workload {
  name: string;
  /** What the client speaks: HTTP/1.1, or gRPC over HTTP/2 without TLS. */
  protocol: 'http1' | 'grpc';
  method: 'GET' | 'POST';
  path: string;
  requestBytes: number;
  /** What the body is; so many bytes of nothing unless said. */
  body?: string;
  responseBytes: number;
  /** About a tenth of what Envoy can do on the hop with features: nobody queues. */
  equalRatePerSecond: number;
}

export interface Cell {
  name: string;
  scenario: ScenarioName;
  workload: Workload;
  /** Requests that may be under way at once: connections of HTTP/1.1, or streams, spread over `GRPC_CONNECTIONS`. */
  concurrency: number;
  load: LoadName;
  /** The cells that a reader looks at first get more rounds. */
  isHeadline: boolean;
}

export const HOST = 'backend.bench.test';

const GET_1K: Workload = {
  name: 'get-1k',
  protocol: 'http1',
  method: 'GET',
  path: '/small',
  requestBytes: 0,
  responseBytes: 1024,
  equalRatePerSecond: 2000,
};

const POST_1K: Workload = {
  name: 'post-1k',
  protocol: 'http1',
  method: 'POST',
  path: '/orders',
  requestBytes: 1024,
  responseBytes: 2,
  equalRatePerSecond: 2000,
};

/** What a shop sends, at its usual size: names, prices, texts with apostrophes and commas. */
const ORDER = JSON.stringify({
  orderId: 'A-2026-004711',
  customer: { name: "Ann O'Neil", email: 'ann.oneil@example.org', vat: null, premium: true },
  note: "Please ring twice; it's the door beside the bakery, 3rd floor.",
  lines: Array.from({ length: 8 }, (_, i) => ({
    sku: `SKU-${10_000 + i * 37}`,
    name: `Mug "Good morning" & saucer, no. ${i}`,
    quantity: (i % 3) + 1,
    price: 12.5 + i,
  })),
  tags: ['gift', 'express', 'autumn-sale'],
});

/** The same with a body that means something, for who looks into it. */
const POST_JSON_1K: Workload = {
  ...POST_1K,
  name: 'post-json-1k',
  requestBytes: ORDER.length,
  body: ORDER,
};

const GET_1M: Workload = {
  name: 'get-1m',
  protocol: 'http1',
  method: 'GET',
  path: '/large',
  requestBytes: 0,
  responseBytes: 1_048_576,
  equalRatePerSecond: 200,
};

/** What stands before each message of gRPC: whether it is compressed, and its length. */
const GRPC_PREFIX_BYTES = 5;

/** One message of 1 KB each way; bodies are counted with the prefix of their message. */
const UNARY_1K: Workload = {
  name: 'unary-1k',
  protocol: 'grpc',
  method: 'POST',
  path: '/bench.Echo/Unary',
  requestBytes: 1024 + GRPC_PREFIX_BYTES,
  responseBytes: 1024 + GRPC_PREFIX_BYTES,
  equalRatePerSecond: 2000,
};

export const HTTP_WORKLOADS = [GET_1K, POST_1K, GET_1M];
export const GRPC_WORKLOADS = [UNARY_1K];

/** A service has a channel or a few to another one, and each has one connection. */
export const GRPC_CONNECTIONS = 4;

/** By which the policies tell callers apart. */
export const TENANT_HEADER = 'X-Tenant-Id';

/** What a browser or service client really sends: eight headers, Host among them. */
export const REQUEST_HEADERS: Record<string, string> = {
  Host: HOST,
  'User-Agent': 'tulle-bench/1.0 (linux; x86_64)',
  Accept: 'application/json, text/plain;q=0.9, */*;q=0.8',
  'Accept-Language': 'en-GB,en;q=0.8',
  'Cache-Control': 'no-cache',
  Authorization: 'Bearer 4f6c2d1b9a8e7f60514233241506172839495a6b7c8d9eaf',
  [TENANT_HEADER]: 'tenant-0042',
  Referer: 'https://shop.bench.test/orders?page=2',
};

export const SCENARIOS: Record<ScenarioName, Workload[]> = {
  bare: HTTP_WORKLOADS,
  features: HTTP_WORKLOADS,
  // What policies cost, they cost a request: bytes of an answer are not their affair.
  policies: [GET_1K, POST_1K],
  waf: [POST_JSON_1K],
  tracing: [GET_1K],
  pair: HTTP_WORKLOADS,
  grpc: GRPC_WORKLOADS,
  // To who passes bytes on unread, what is in a request makes no difference.
  tcp: [GET_1K, GET_1M],
};
const CONCURRENCIES = [32, 256];
const LOADS: LoadName[] = ['saturated', 'equal-rate'];
const HEADLINES = [GET_1K, UNARY_1K];

export function listCells(only: RegExp | null): Cell[] {
  const cells: Cell[] = [];
  for (const [scenario, workloads] of Object.entries(SCENARIOS) as [ScenarioName, Workload[]][]) {
    for (const workload of workloads) {
      for (const concurrency of CONCURRENCIES) {
        for (const load of LOADS) {
          const name = `${scenario}/${workload.name}/${concurrency}/${load}`;
          const isHeadline = HEADLINES.includes(workload) && concurrency === 32;
          cells.push({ name, scenario, workload, concurrency, load, isHeadline });
        }
      }
    }
  }
  return only === null ? cells : cells.filter((cell) => only.test(cell.name));
}

/** For HTTP/1.1, head and body; for gRPC, whose head is a matter of its connection, the message. */
export function encodeRequest(workload: Workload): Buffer {
  if (workload.protocol === 'grpc') return Buffer.from(grpcMessage(workload.requestBytes));
  const headers = Object.entries(headersOf(workload)).map(([name, value]) => `${name}: ${value}`);
  if (workload.method === 'POST') headers.push(`Content-Length: ${workload.requestBytes}`);
  const head = `${workload.method} ${workload.path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
  return Buffer.from(head + bodyOf(workload));
}

export function headersOf({ body }: Workload): Record<string, string> {
  return body === undefined ? REQUEST_HEADERS : { ...REQUEST_HEADERS, 'Content-Type': 'application/json' };
}

/** All of it is ASCII. */
export function bodyOf({ body, requestBytes }: Workload): string {
  return body ?? 'x'.repeat(requestBytes);
}

/** One uncompressed message with its prefix: a flag, and a length that fits into its last two bytes. All of it is ASCII. */
export function grpcMessage(bytes: number): string {
  const length = bytes - GRPC_PREFIX_BYTES;
  return `\0\0\0${String.fromCharCode(length >> 8, length & 0xff)}${'x'.repeat(length)}`;
}
