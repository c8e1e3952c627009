// One hop for tests: a server codec on a real socket, an endpoint behind it, and a note of how every exchange ended. Both ends are the
// test's to play.

import { once } from 'node:events';
import net from 'node:net';
import { compileChain } from '../../core/chain.ts';
import { systemClock } from '../../core/clock.ts';
import { Deadlines } from '../../core/deadlines.ts';
import { Failure } from '../../core/failure.ts';
import type { Filter } from '../../core/filter.ts';
import type { Route, Timeouts } from '../../core/route.ts';
import type { ConnectionOwner, DownstreamConnection } from '../../downstream/connection.ts';
import { Transport, TransportContext } from '../../transport/transport.ts';
import { SoleEndpoint } from '../../upstream/balancer.ts';
import { type EndpointProtocol, EndpointTransport } from '../../upstream/endpoint.ts';
import { loneEndpoint } from '../../upstream/lone-endpoint.ts';
import { Http1Server } from '../http1/server.ts';
import { Http2Server } from './server.ts';

export interface HopOptions {
  readonly downstream: 'http1' | 'http2';
  readonly upstream: EndpointProtocol;
  readonly upstreamPort: number;
  readonly timeouts?: Partial<Timeouts>;
  readonly filters?: readonly Filter[];
}

/** How an exchange ended. */
export interface Ended {
  readonly path: string;
  readonly status: number;
  readonly failure: string;
  readonly detail: string;
  readonly attempts: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface Hop {
  readonly port: number;
  readonly ended: Ended[];
  readonly context: TransportContext;
  readonly endpoint: EndpointTransport;
  /** Of downstream. */
  readonly connections: Set<DownstreamConnection>;
  /** Exchanges that began and have not ended. */
  open(): number;
  drain(): void;
  close(): Promise<void>;
}

const TIMEOUTS: Timeouts = {
  headMs: 10_000,
  bodyIdleMs: 10_000,
  idleMs: 10_000,
  connectMs: 2_000,
  upstreamMs: 10_000,
};

export async function openHop(options: HopOptions): Promise<Hop> {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const context = new TransportContext(systemClock, new Deadlines(systemClock));
  const target = { host: '127.0.0.1', port: options.upstreamPort, tlsOptions: null, identity: '' };
  const observer = { onConnected: () => {}, onConnectFailed: () => {} };
  const endpoint = new EndpointTransport(context, target, options.upstream, timeouts, observer);
  const ended: Ended[] = [];
  let begun = 0;
  const route: Route = {
    name: 'hop',
    direction: 'inbound',
    service: 'hop',
    trustsPeer: true,
    rule: '',
    unreachable: Failure.noRoute,
    balancer: new SoleEndpoint(loneEndpoint(`127.0.0.1:${options.upstreamPort}`, endpoint)),
    chain: compileChain([noteExchanges(ended, () => begun++), ...(options.filters ?? [])]),
    timeouts,
    requestTimeoutMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
    retry: null,
    hedge: null,
  };
  const connections = new Set<DownstreamConnection>();
  let draining = false;
  const owner: ConnectionOwner = {
    routeFor: () => route,
    get draining() {
      return draining;
    },
    onGone: (connection) => connections.delete(connection),
  };
  const Codec = options.downstream === 'http2' ? Http2Server : Http1Server;
  const server = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    const transport = new Transport(context, socket, false);
    const connection = new Codec(transport, owner, route, '');
    connections.add(connection);
    connection.start();
    transport.startReading();
  });
  const port = await listen(server);
  return {
    port,
    ended,
    context,
    endpoint,
    connections,
    open: () => begun - ended.length,
    drain() {
      draining = true;
      for (const connection of connections) connection.drain();
    },
    async close() {
      for (const connection of connections) connection.cutOff();
      endpoint.close();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function listen(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

function noteExchanges(ended: Ended[], onBegun: () => void): Filter {
  return {
    name: 'witness',
    onRequestHead() {
      onBegun();
      return 0;
    },
    onUnreadableHead: onBegun,
    onEnd({ request, status, failure, failureDetail, attempts, requestBytes, responseBytes }) {
      ended.push({
        path: request.path,
        status,
        failure: failure.name,
        detail: failureDetail,
        attempts,
        requestBytes,
        responseBytes,
      });
    },
  };
}
