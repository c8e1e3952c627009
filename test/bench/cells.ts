// The benchmark's matrix: every scenario with every workload, number of connections and kind of load.

export type ScenarioName = 'bare' | 'features' | 'pair';
type LoadName = 'saturated' | 'equal-rate';

export interface Workload {
  name: string;
  method: 'GET' | 'POST';
  path: string;
  requestBytes: number;
  responseBytes: number;
  /** About a tenth of what Envoy can do on the hop with features: nobody queues. */
  equalRatePerSecond: number;
}

export interface Cell {
  name: string;
  scenario: ScenarioName;
  workload: Workload;
  connections: number;
  load: LoadName;
  /** The cells that a reader looks at first get more rounds. */
  isHeadline: boolean;
}

export const HOST = 'backend.bench.test';

export const WORKLOADS: Workload[] = [
  {
    name: 'get-1k',
    method: 'GET',
    path: '/small',
    requestBytes: 0,
    responseBytes: 1024,
    equalRatePerSecond: 2000,
  },
  {
    name: 'post-1k',
    method: 'POST',
    path: '/orders',
    requestBytes: 1024,
    responseBytes: 2,
    equalRatePerSecond: 2000,
  },
  {
    name: 'get-1m',
    method: 'GET',
    path: '/large',
    requestBytes: 0,
    responseBytes: 1_048_576,
    equalRatePerSecond: 200,
  },
];

/** What a browser or service client really sends: eight headers, Host among them. */
export const REQUEST_HEADERS: Record<string, string> = {
  Host: HOST,
  'User-Agent': 'tulle-bench/1.0 (linux; x86_64)',
  Accept: 'application/json, text/plain;q=0.9, */*;q=0.8',
  'Accept-Language': 'en-GB,en;q=0.8',
  'Cache-Control': 'no-cache',
  Authorization: 'Bearer 4f6c2d1b9a8e7f60514233241506172839495a6b7c8d9eaf',
  'X-Tenant-Id': 'tenant-0042',
  Referer: 'https://shop.bench.test/orders?page=2',
};

const SCENARIOS: ScenarioName[] = ['bare', 'features', 'pair'];
const CONNECTIONS = [32, 256];
const LOADS: LoadName[] = ['saturated', 'equal-rate'];

export function listCells(only: RegExp | null): Cell[] {
  const cells: Cell[] = [];
  for (const scenario of SCENARIOS) {
    for (const workload of WORKLOADS) {
      for (const connections of CONNECTIONS) {
        for (const load of LOADS) {
          const name = `${scenario}/${workload.name}/${connections}/${load}`;
          const isHeadline = workload.name === 'get-1k' && connections === 32;
          cells.push({ name, scenario, workload, connections, load, isHeadline });
        }
      }
    }
  }
  return only === null ? cells : cells.filter((cell) => only.test(cell.name));
}

export function encodeRequest(workload: Workload): Buffer {
  const headers = Object.entries(REQUEST_HEADERS).map(([name, value]) => `${name}: ${value}`);
  if (workload.method === 'POST') headers.push(`Content-Length: ${workload.requestBytes}`);
  const head = `${workload.method} ${workload.path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
  return Buffer.from(head + 'x'.repeat(workload.requestBytes));
}
