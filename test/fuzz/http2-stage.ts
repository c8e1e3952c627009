// The codecs of HTTP/2 without a network: bytes go in by hand, what comes out is kept, and everything happens before a call returns.

import { EventEmitter } from 'node:events';
import type net from 'node:net';
import { compileChain } from '../../sidecar/src/core/chain.ts';
import type { Clock } from '../../sidecar/src/core/clock.ts';
import {
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamReady,
} from '../../sidecar/src/core/course.ts';
import { Deadlines } from '../../sidecar/src/core/deadlines.ts';
import type { Exchange, UpstreamStream } from '../../sidecar/src/core/exchange.ts';
import { Failure } from '../../sidecar/src/core/failure.ts';
import type { Route } from '../../sidecar/src/core/route.ts';
import { BODY_UNTIL_CLOSE, ResponseHead } from '../../sidecar/src/protocol/head.ts';
import type { Batch } from '../../sidecar/src/transport/batch.ts';
import { Transport, TransportContext } from '../../sidecar/src/transport/transport.ts';
import { SoleEndpoint } from '../../sidecar/src/upstream/balancer.ts';
import type { UpstreamTransport } from '../../sidecar/src/upstream/endpoint.ts';
import { loneEndpoint } from '../../sidecar/src/upstream/lone-endpoint.ts';

export const TIMEOUTS = {
  headMs: 1_000,
  bodyIdleMs: 1_000,
  idleMs: 1_000,
  connectMs: 1_000,
  upstreamMs: 1_000,
};

/** Stands still. */
const CLOCK: Clock = {
  nowMs: () => 1_000,
  monotonicMs: () => 1_000,
  setTimer: () => ({ cancel() {} }),
};

/** Batches leave when the stage says so, not when the event loop turns. */
class StageContext extends TransportContext {
  private due: Batch[] = [];

  override schedule(batch: Batch): void {
    this.due.push(batch);
  }

  override flushLater(): void {}

  leave(): void {
    this.output.flush();
    const { due } = this;
    this.due = [];
    for (const batch of due) batch.flushScheduled();
  }
}

const context = new StageContext(CLOCK, new Deadlines(CLOCK));

/** A socket that takes everything at once. Streams of Node leave work behind for the event loop, which never turns within a run. */
class MemorySocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly written: Buffer[] = [];
  destroyed = false;

  _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }

  pause(): void {}
  resume(): void {}
  end(): void {}

  destroy(): void {
    this.destroyed = true;
  }

  resetAndDestroy(): void {
    this.destroyed = true;
  }
}

export interface Stage {
  readonly transport: Transport;
  readonly route: Route;
  /** How exchanges ended, in order. */
  readonly ended: string[];
  /** Exchanges that began and did not end. */
  open(): number;
  feed(bytes: Uint8Array): void;
  /** What the codec has sent. */
  sent(): Buffer;
  /** The connection is gone. */
  close(): void;
}

export function setStage(): Stage {
  const socket = new MemorySocket();
  socket.on('error', () => {});
  const transport = new Transport(context, socket as unknown as net.Socket, false);
  const ended: string[] = [];
  let begun = 0;
  const route: Route = {
    name: 'stage',
    direction: 'inbound',
    service: 'stage',
    trustsPeer: true,
    rule: '',
    unreachable: Failure.noRoute,
    balancer: new SoleEndpoint(loneEndpoint('memory', ECHO)),
    chain: compileChain([
      {
        name: 'witness',
        onRequestHead() {
          begun++;
          return 0;
        },
        onUnreadableHead: () => void begun++,
        onEnd: ({ request, status, failure }) => void ended.push(`${request.path} ${status} ${failure.name}`),
      },
    ]),
    timeouts: TIMEOUTS,
    requestTimeoutMs: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
    retry: null,
    hedge: null,
  };
  return {
    transport,
    route,
    ended,
    open: () => begun - ended.length,
    feed(bytes) {
      context.readBuffer.set(bytes);
      transport.receive(bytes.length, context.readBuffer);
      context.leave();
    },
    sent() {
      context.leave();
      return Buffer.concat(socket.written);
    },
    close() {
      socket.emit('close');
      socket.removeAllListeners();
      context.leave();
    },
  };
}

/** An endpoint that is always there, and sends back what it got once that is complete. */
const ECHO: UpstreamTransport = {
  open: (exchange) => onUpstreamReady(exchange, new Echo(exchange)),
  cancel() {},
  retireConnections() {},
  close() {},
  counts: { open: 0, idle: 0, waiting: 0 },
};

class Echo implements UpstreamStream {
  readonly congested = false;
  readonly identity = '';
  readonly setupMs = 0;
  readonly tlsMs = 0;
  readonly reused = false;
  readonly unprocessed = false;
  private readonly exchange: Exchange;
  private readonly body: Buffer[] = [];

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  sendRequestHead(): void {}

  sendRequestBody(bytes: Uint8Array, start: number, end: number): void {
    this.body.push(Buffer.from(bytes.subarray(start, end)));
  }

  endRequest(): void {
    const { exchange } = this;
    onResponseHead(exchange, okHead());
    const body = Buffer.concat(this.body);
    if (body.length > 0 && !exchange.request.isHead) onResponseBody(exchange, body, 0, body.length);
    onResponseEnd(exchange, null);
  }

  abortRequest(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
}

function okHead(): ResponseHead {
  const head = new ResponseHead();
  head.status = 200;
  head.length = head.bytes.write('HTTP/1.1 200 OK\r\n', 'latin1');
  head.fieldsStart = head.length;
  head.bodyKind = BODY_UNTIL_CLOSE;
  head.adopted = true;
  return head;
}
