// The downstream side of a case: one connection to the proxy, everything received kept as it came.

import { connect, type Socket } from 'node:net';
import type { Activity } from './activity.ts';
import { membersOf, type ResponseSequence, readResponse } from './message.ts';
import { writePackets } from './packets.ts';
import type { SplitPlan } from './split.ts';

export interface Received {
  responses: ResponseSequence[];
  /** The beginning of a response whose end is not there. */
  partial: ResponseSequence | null;
  /** Bytes behind the responses that were asked for. */
  rest: string;
  invalid: string | null;
}

export class Client {
  readonly #socket: Socket;
  readonly #activity: Activity;
  bytes = '';
  /** The proxy has ended or reset the connection. */
  ended = false;
  reset = false;

  constructor(port: number, activity: Activity) {
    this.#activity = activity;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (chunk: string) => {
      this.bytes += chunk;
      activity.notify();
    });
    this.#socket.on('drain', () => activity.notify());
    this.#socket.on('end', () => this.#end());
    this.#socket.on('error', () => {
      this.reset = true;
      this.#end();
    });
    this.#socket.on('close', () => this.#end());
  }

  async send(bytes: string, plan: SplitPlan): Promise<void> {
    await writePackets(this.#socket, bytes, plan, () => this.ended || this.#closeAnnounced());
  }

  stopReading(): void {
    this.#socket.pause();
  }

  async readWhenSent(): Promise<void> {
    await this.#activity.until(() => this.#socket.writableLength === 0 || this.ended);
    this.#socket.resume();
  }

  halfClose(): void {
    this.#socket.end();
  }

  async close(): Promise<void> {
    this.#socket.end();
    await this.#activity.until(() => this.ended);
    this.#socket.destroy();
  }

  /** `toHead` says of each awaited response whether it answers HEAD; no more than these are read. */
  read(toHead: boolean[], from = 0): Received {
    const responses: ResponseSequence[] = [];
    let at = from;
    for (const head of toHead) {
      const reading = readResponse(this.bytes, at, { toHead: head, ended: this.ended && !this.reset });
      if (reading.state === 'invalid')
        return { responses, partial: null, rest: this.bytes.slice(at), invalid: reading.reason };
      if (reading.state === 'incomplete')
        return { responses, partial: reading.partial, rest: this.bytes.slice(at), invalid: null };
      responses.push(reading.value);
      at = reading.next;
    }
    return { responses, partial: null, rest: this.bytes.slice(at), invalid: null };
  }

  #end(): void {
    this.ended = true;
    this.#activity.notify();
  }

  // A client that is told `close` stops sending (RFC 9112 9.6); going on would only turn the proxy's close into a reset.
  #closeAnnounced(): boolean {
    if (this.bytes === '') return false;
    const { responses } = this.read([false]);
    return responses.some(({ final }) => membersOf(final.fields, 'connection').includes('close'));
  }
}
