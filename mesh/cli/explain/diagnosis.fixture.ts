import type { Sketch } from '../trace/hand-built-trace.fixture.ts';
import type { AttributeValue } from '../trace/span.ts';

// Hops for traces written by hand: a request through gateway and worker that fails where a test wants it to.

type Given = Partial<Sketch> & {
  status?: number;
  code?: string;
  /** Of a sidecar, in milliseconds. */
  phases?: Record<string, number>;
};

const PHASES_OF_ALL = {
  head: 0.1,
  filters: 0.1,
  pool: 0.1,
  connect: 0.1,
  tls: 0.1,
  request: 0.1,
  upstream: 50,
  response: 0.1,
};

/** Phases of a sidecar up to the one in which it ended. */
export function upTo(phase: keyof typeof PHASES_OF_ALL): Record<string, number> {
  const names = Object.keys(PHASES_OF_ALL) as (keyof typeof PHASES_OF_ALL)[];
  return Object.fromEntries(
    names.slice(0, names.indexOf(phase) + 1).map((name) => [name, PHASES_OF_ALL[name]]),
  );
}

export function sidecarIn(service: string, given: Given = {}): Sketch {
  return hop({ service, kind: 'server', sidecar: true }, { 'tulle.direction': 'inbound' }, given);
}

export function sidecarOut(service: string, target: string, given: Given = {}): Sketch {
  const attributes = { 'tulle.direction': 'outbound', 'server.address': target };
  return hop({ service, kind: 'client', sidecar: true }, attributes, given);
}

export function code(service: string, given: Given = {}): Sketch {
  return hop({ service, kind: 'server' }, {}, given);
}

export function call(service: string, target: string, given: Given = {}): Sketch {
  return hop({ service, kind: 'client' }, { 'server.address': target }, given);
}

/** From the edge to what `inside` is in the code of the gateway. */
export function atGateway(status: number, ...inside: Sketch[]): Sketch {
  return sidecarIn('gateway', { status, children: [code('gateway', { status, children: inside })] });
}

/** … and on to the worker. */
export function atWorker(status: number, ...inside: Sketch[]): Sketch {
  const worker = code('worker', { status, children: inside });
  return atGateway(
    status,
    toWorker({ status, children: [sidecarIn('worker', { status, children: [worker] })] }),
  );
}

export function toWorker(given: Given): Sketch {
  return sidecarOut('gateway', 'worker', given);
}

function hop(
  who: Pick<Sketch, 'service' | 'kind' | 'sidecar'>,
  about: Record<string, AttributeValue>,
  { status, code: failure, phases, attributes, ...given }: Given,
): Sketch {
  const spent = Object.entries(who.sidecar === true ? (phases ?? PHASES_OF_ALL) : {});
  const failed = status !== undefined && status >= (who.kind === 'client' ? 400 : 500);
  return {
    at: [0, 50],
    ...who,
    ...(failed ? { error: '' } : {}),
    ...given,
    attributes: {
      'http.request.method': 'POST',
      'url.path': '/runs',
      ...(status === undefined ? {} : { 'http.response.status_code': status }),
      ...(failed && failure === undefined ? { 'error.type': String(status) } : {}),
      ...(failure === undefined ? {} : { 'tulle.failure.code': failure, 'error.type': failure }),
      ...about,
      ...Object.fromEntries(spent.map(([phase, ms]) => [`tulle.phase.${phase}_ms`, ms])),
      ...attributes,
    },
  };
}
