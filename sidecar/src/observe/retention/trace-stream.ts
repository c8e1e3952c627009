/**
 * The streams to the control plane: by one sidecars tell each other which traces they keep, by the other it asks for the spans of a trace.
 *
 * Invariants: one connection at a time; while there is none, or the control plane takes no more, what would be told is counted as untold:
 * requests never notice. A new certificate is used for a new stream, before the old one ends.
 */
import type { ConnectionOptions, SecureContext } from 'node:tls';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../config/address.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { ANSWER, type TraceAnswer, type TraceQuestion } from '../explain/question-message.ts';
import type { FindTrace } from '../explain/trace-finder.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import { Budget } from './budget.ts';
import { SHARE } from './kept-traces-message.ts';
import type { Retention } from './retention.ts';

export interface TraceStreamDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** For the connection, with the certificate of now. */
  tlsOptions(): ConnectionOptions;
  /** What is known of a request, for whoever asks the control plane. */
  find: FindTrace;
  /** Told about the first of several failures in a row, and when it works again. */
  report(event: string, fields: Readonly<Record<string, unknown>>): void;
}

const CHANNEL = {
  'grpc.keepalive_time_ms': OBSERVE_LIMITS.traceStreamPingMs,
  'grpc.keepalive_timeout_ms': OBSERVE_LIMITS.traceStreamPingMs,
  'grpc.max_receive_message_length': OBSERVE_LIMITS.traceStreamMessageBytes,
  // Who answers is proven by a SPIFFE id, not by a host name; but Node refuses to name an IP address in a handshake.
  'grpc.ssl_target_name_override': 'control',
};

export class TraceStream {
  connected = false;
  private readonly target: string;
  private readonly retention: Retention;
  private readonly deps: TraceStreamDeps;
  private current: Attempt | null = null;
  private retry: Timer | null = null;
  private failures = 0;
  private closed = false;

  constructor(address: Address, retention: Retention, deps: TraceStreamDeps) {
    this.target = formatAddress(address);
    this.retention = retention;
    this.deps = deps;
    retention.onKept = (ids) => this.tell(ids);
    this.connect();
  }

  /** The certificate is another. */
  renew(): void {
    if (this.closed) return;
    this.retry?.cancel();
    const before = this.current;
    this.connect();
    before?.close();
  }

  close(): void {
    this.closed = true;
    this.connected = false;
    this.retry?.cancel();
    this.retention.onKept = null;
    this.current?.close();
    this.current = null;
  }

  private tell(ids: Buffer): void {
    // What is written is kept until it is sent, and the buffer is used again.
    if (this.current?.tell(Buffer.from(ids))) return;
    this.retention.untold += ids.length / OBSERVE_LIMITS.traceIdBytes;
  }

  private connect(): void {
    const attempt: Attempt = new Attempt(this.target, this.deps, {
      onOpened: () => {
        if (this.failures > 0) this.deps.report('trace_stream_opened', { afterFailures: this.failures });
        this.failures = 0;
        this.connected = true;
      },
      onTold: (ids) => this.retention.keepTold(ids),
      onEnded: (reason) => {
        if (attempt === this.current) this.reconnect(reason);
      },
    });
    this.current = attempt;
  }

  private reconnect(reason: string): void {
    const { traceStreamBackoffMs, traceStreamBackoffMaxMs } = OBSERVE_LIMITS;
    this.current?.close();
    this.current = null;
    this.connected = false;
    const backoffMs = Math.min(
      traceStreamBackoffMs * 2 ** Math.min(this.failures, 10),
      traceStreamBackoffMaxMs,
    );
    if (this.failures++ === 0) this.deps.report('trace_stream_lost', { reason });
    // Half of it at random, so that a fleet does not come back at once.
    const delayMs = backoffMs * (0.5 + this.deps.random() / 2);
    this.retry = this.deps.clock.setTimer(() => this.connect(), delayMs);
  }
}

interface AttemptListener {
  onOpened(): void;
  onTold(ids: Buffer): void;
  /** Once. */
  onEnded(reason: string): void;
}

/** One connection with its streams. */
class Attempt {
  private readonly client: Client;
  private readonly call: ClientDuplexStream<Buffer, Buffer>;
  private readonly questions: ClientDuplexStream<TraceAnswer, TraceQuestion>;
  private congested = false;
  private over = false;

  constructor(target: string, deps: TraceStreamDeps, listener: AttemptListener) {
    const tls = deps.tlsOptions();
    const secure = credentials.createFromSecureContext(tls.secureContext as SecureContext, {
      ...(tls.checkServerIdentity && { checkServerIdentity: tls.checkServerIdentity }),
    });
    this.client = new Client(target, secure, CHANNEL);
    this.call = this.client.makeBidiStreamRequest(
      SHARE.path,
      SHARE.requestSerialize,
      SHARE.responseDeserialize,
    );
    this.questions = this.client.makeBidiStreamRequest(
      ANSWER.path,
      ANSWER.requestSerialize,
      ANSWER.responseDeserialize,
    );
    const end = (reason: string): void => {
      if (this.over) return;
      this.over = true;
      listener.onEnded(reason);
    };
    this.call.on('metadata', () => listener.onOpened());
    this.call.on('data', (ids: Buffer) => listener.onTold(ids));
    this.call.on('drain', () => {
      this.congested = false;
    });
    this.call.on('error', (error: Error) => end(error.message));
    this.call.on('end', () => end('the control plane ended the stream'));
    const budget = new Budget(OBSERVE_LIMITS.questionsPerSecond);
    this.questions.on('data', ({ number, id }: TraceQuestion) => {
      const found = budget.take(deps.clock.monotonicMs()) ? deps.find(id) : null;
      this.questions.write({ number, found: Buffer.from(found === null ? '' : JSON.stringify(found)) });
    });
    // It ends with the connection, and the other stream says why.
    this.questions.on('error', () => {});
  }

  /** False when it was not taken. */
  tell(ids: Buffer): boolean {
    if (this.over || this.congested) return false;
    this.congested = !this.call.write(ids);
    return true;
  }

  close(): void {
    this.over = true;
    this.call.cancel();
    this.questions.cancel();
    this.client.close();
  }
}
