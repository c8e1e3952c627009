// Callers that go on until they are stopped. Some keep their connections to a front sidecar, which are then those that rotation has to carry over; some
// make a handshake of their own with a back sidecar for each request, which is where a certificate or a root that is not trusted shows.
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import type { Identity } from '../../sidecar/src/identity/identity.ts';
import { clientTlsOptions } from '../../sidecar/src/identity/trust.ts';
import type { Pair } from '../e2e/authority-world.ts';
import { spiffeId } from '../e2e/mesh-fixture.ts';

export interface Flow {
  readonly name: string;
  answered: number;
  /** By reason. */
  readonly failures: Map<string, number>;
}

export interface Load {
  readonly flows: readonly Flow[];
  stop(): Promise<void>;
}

const CALLERS = 3;
const PAUSE_MS = 3;
const HANDSHAKE_PAUSE_MS = 15;
const PATIENCE_MS = 5_000;

export function startLoad(pairs: readonly Pair[], client: Identity): Load {
  const flows: Flow[] = [];
  const running: Promise<unknown>[] = [];
  const closing: (() => void)[] = [];
  let going = true;
  const repeat = (name: string, callers: number, pauseMs: number, call: () => Promise<number>): void => {
    const flow: Flow = { name, answered: 0, failures: new Map() };
    flows.push(flow);
    const caller = async (): Promise<void> => {
      while (going) {
        const outcome = await inTime(call()).then(
          (status) => (status === 200 ? null : `status ${status}`),
          (error: Error) => error.message,
        );
        if (outcome === null) flow.answered += 1;
        else flow.failures.set(outcome, (flow.failures.get(outcome) ?? 0) + 1);
        await sleep(pauseMs);
      }
    };
    running.push(...Array.from({ length: callers }, caller));
  };
  for (const { service, outbound, inbound } of pairs) {
    const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
    const session = connectHttp2(`http://127.0.0.1:${outbound}`);
    closing.push(
      () => agent.destroy(),
      () => session.destroy(),
    );
    repeat(`HTTP/1.1 through sidecars to ${service}`, CALLERS, PAUSE_MS, () =>
      callHttp1(agent, outbound, service),
    );
    repeat(`HTTP/2 through sidecars to ${service}`, CALLERS, PAUSE_MS, () => callHttp2(session, service));
    repeat(`HTTP/1.1 and a handshake with ${service}`, 1, HANDSHAKE_PAUSE_MS, () =>
      withHandshake(inbound, service, client, 'http/1.1', greet),
    );
    repeat(`HTTP/2 and a handshake with ${service}`, 1, HANDSHAKE_PAUSE_MS, () =>
      withHandshake(inbound, service, client, 'h2', (socket) => greetHttp2(socket, service)),
    );
  }
  return {
    flows,
    async stop() {
      going = false;
      await Promise.all(running);
      for (const close of closing) close();
    },
  };
}

/** What ends without a word must not keep a caller for ever. */
async function inTime<Result>(work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), PATIENCE_MS);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The status. */
async function callHttp1(agent: Agent, port: number, host: string): Promise<number> {
  const outgoing = request({ host: '127.0.0.1', port, agent, headers: { host }, method: 'POST' });
  outgoing.end('x');
  const [response] = await once(outgoing, 'response');
  for await (const _ of response);
  return response.statusCode;
}

async function callHttp2(session: ClientHttp2Session, host: string): Promise<number> {
  const stream = session.request({ ':authority': host, ':method': 'POST', ':path': '/' });
  stream.end('x');
  const [headers] = await once(stream, 'response');
  for await (const _ of stream);
  return headers[':status'];
}

/** Over a connection of its own, with the certificate of now. */
async function withHandshake(
  port: number,
  service: string,
  { svid }: Identity,
  protocol: string,
  call: (socket: TLSSocket) => Promise<number>,
): Promise<number> {
  const options = clientTlsOptions(svid, spiffeId(service));
  const socket = connect({ port, host: '127.0.0.1', ALPNProtocols: [protocol], ...options });
  try {
    await once(socket, 'secureConnect');
    return await call(socket);
  } finally {
    socket.destroy();
  }
}

async function greet(socket: TLSSocket): Promise<number> {
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('closed without an answer')));
  socket.write('GET / HTTP/1.1\r\nhost: back\r\nconnection: close\r\n\r\n');
  const [head] = await Promise.race([once(socket, 'data'), closed]);
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(String(head))?.[1]);
}

async function greetHttp2(socket: TLSSocket, service: string): Promise<number> {
  const session = connectHttp2(`https://${service}`, { createConnection: () => socket });
  session.on('error', () => {
    // The stream has it, too.
  });
  try {
    return await callHttp2(session, service);
  } finally {
    session.destroy();
  }
}
