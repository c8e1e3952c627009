/**
 * A hop of real sockets, from a listener to a pool, on a clock that only moves when a test says so: what takes seconds for people takes no
 * time here.
 */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { compileChain } from '../../core/chain.ts';
import { Deadlines } from '../../core/deadlines.ts';
import type { Exchange } from '../../core/exchange.ts';
import { Failure } from '../../core/failure.ts';
import type { Filter } from '../../core/filter.ts';
import { ManualClock } from '../../core/manual-clock.fixture.ts';
import type { Route } from '../../core/route.ts';
import { HttpDestination } from '../../downstream/http-destination.fixture.ts';
import { Listener } from '../../downstream/listener.ts';
import { TransportContext } from '../../transport/transport.ts';
import { SoleEndpoint } from '../../upstream/balancer.ts';
import { loneEndpoint } from '../../upstream/lone-endpoint.ts';
import { ConnectionPool } from '../../upstream/pool.ts';

/** A minute each, so that what ends earlier ended for another reason. */
export const TIMEOUT_MS = 60_000;
const TIMEOUTS = {
  headMs: TIMEOUT_MS,
  bodyIdleMs: TIMEOUT_MS,
  idleMs: TIMEOUT_MS,
  connectMs: TIMEOUT_MS,
  upstreamMs: TIMEOUT_MS,
};
const STEP_MS = 1_000;

/** One end of a connection, with all that it got. */
export class End {
  readonly socket: Socket;
  received = '';
  ended = false;
  /** By a reset, or an end in the middle of what this end was sending. */
  failed = false;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received += text;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', () => {
      this.failed = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  async receives(text: string): Promise<void> {
    await until(() => this.received.includes(text));
  }
}

export class Hop {
  readonly clock = new ManualClock(0);
  /** Exchanges that are over. */
  readonly over: Exchange[] = [];
  /** Connections that reached the origin. */
  readonly upstream: End[] = [];
  private readonly origin = createServer({ allowHalfOpen: true }, (socket) =>
    this.upstream.push(new End(socket)),
  );
  private readonly clients: Socket[] = [];
  private listener: Listener | null = null;
  private pool: ConnectionPool | null = null;
  private port = 0;

  async open(filters: readonly Filter[] = []): Promise<void> {
    this.origin.listen(0, '127.0.0.1');
    await once(this.origin, 'listening');
    const context = new TransportContext(this.clock, new Deadlines(this.clock));
    const host = '127.0.0.1';
    const target = {
      host,
      port: (this.origin.address() as AddressInfo).port,
      identity: '',
      tlsOptions: null,
    };
    const ignore = (): void => {};
    this.pool = new ConnectionPool(context, target, 'http1', TIMEOUTS, {
      onConnected: ignore,
      onConnectFailed: ignore,
    });
    const witness: Filter = { name: 'witness', onEnd: (exchange) => void this.over.push(exchange) };
    const route: Route = {
      name: 'http',
      direction: 'inbound',
      service: 'orders',
      trustsPeer: false,
      rule: '',
      unreachable: Failure.noRoute,
      balancer: new SoleEndpoint(loneEndpoint('origin', this.pool)),
      chain: compileChain([...filters, witness]),
      timeouts: TIMEOUTS,
      requestTimeoutMs: Number.POSITIVE_INFINITY,
      attemptTimeoutMs: Number.POSITIVE_INFINITY,
      retry: null,
      hedge: null,
    };
    this.listener = new Listener({
      context,
      observer: {
        onOpened: ignore,
        onSecured: ignore,
        onPlaintext: ignore,
        onClosed: ignore,
        onRejected: ignore,
        onHandshakeFailed: ignore,
        onRecognised: ignore,
      },
      security: null,
      handshakeTimeoutMs: TIMEOUTS.connectMs,
      destinationOf: () => new HttpDestination(route),
    });
    this.port = await this.listener.listen({ host, port: 0 });
  }

  client(): End {
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    this.clients.push(socket);
    return new End(socket);
  }

  /** The nth connection to the origin, once it is there. */
  async connected(number: number): Promise<End> {
    await until(() => this.upstream.length >= number);
    return this.upstream[number - 1] as End;
  }

  /** Lets time pass, in steps, until something came of it. Returns how much passed. */
  async passTimeUntil(condition: () => boolean): Promise<number> {
    let passedMs = 0;
    for (; !condition(); passedMs += STEP_MS) {
      await sleep(1);
      await this.clock.advance(STEP_MS);
    }
    return passedMs;
  }

  async close(): Promise<void> {
    for (const socket of [...this.clients, ...this.upstream.map(({ socket: end }) => end)]) socket.destroy();
    this.pool?.close();
    await this.listener?.drain();
    this.origin.close();
  }
}

/** Bounded by the time limit of the test. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1);
}
