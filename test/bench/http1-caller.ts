// One connection of HTTP/1.1, kept alive: a caller that reads the whole of every answer and checks its status and length.
import { connect, type Socket } from 'node:net';
import { type Caller, type CallerEvents, type ConnectCallers, readBuffer } from './caller.ts';

export interface Http1Call {
  port: number;
  /** Head and body. */
  request: Buffer;
  responseBytes: number;
}

/** While the head of a response has not been read. */
const UNKNOWN = -1;
const MAX_HEAD_CHARS = 16_384;

export function callHttp1(call: Http1Call): ConnectCallers {
  return (events) => new Http1Caller(call, events);
}

class Http1Caller implements Caller {
  arrivedAt = 0;
  readonly #call: Http1Call;
  readonly #events: CallerEvents;
  readonly #socket: Socket;
  #isBusy = false;
  #head = '';
  #bodyBytesLeft = UNKNOWN;

  constructor(call: Http1Call, events: CallerEvents) {
    this.#call = call;
    this.#events = events;
    const onRead = (length: number) => {
      this.#readResponse(length);
      return true;
    };
    this.#socket = connect({
      host: '127.0.0.1',
      port: call.port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: onRead },
    });
    this.#socket.once('connect', () => events.onReady(this));
    this.#socket.once('error', (error) => events.onFailed(`connection failed: ${error.message}`));
    this.#socket.once('close', () => events.onFailed('the proxy closed a connection'));
  }

  send(): void {
    this.#isBusy = true;
    this.#socket.write(this.#call.request);
  }

  close(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  #readResponse(length: number): void {
    if (!this.#isBusy) {
      this.#events.onFailed('bytes arrived that nobody asked for');
      return;
    }
    const bodyBytes = this.#bodyBytesLeft === UNKNOWN ? this.#readHead(length) : length;
    this.#events.onBody(bodyBytes);
    if (this.#bodyBytesLeft === UNKNOWN) return;
    this.#bodyBytesLeft -= bodyBytes;
    if (this.#bodyBytesLeft < 0) this.#events.onFailed('a response body is too long');
    else if (this.#bodyBytesLeft === 0) this.#finish();
  }

  /** Returns how many of the bytes belong to the body. */
  #readHead(length: number): number {
    const charsBefore = this.#head.length;
    this.#head += readBuffer.toString('latin1', 0, Math.min(length, MAX_HEAD_CHARS));
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#head.length > MAX_HEAD_CHARS) this.#events.onFailed('a response head has no end');
      return 0;
    }
    const head = this.#head.slice(0, end + 4);
    if (!this.#isExpected(head)) this.#events.onFailed(`unexpected response: ${head}`);
    this.#bodyBytesLeft = this.#call.responseBytes;
    return length - (head.length - charsBefore);
  }

  #isExpected(head: string): boolean {
    const contentLength = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    return head.startsWith('HTTP/1.1 200 ') && Number(contentLength) === this.#call.responseBytes;
  }

  #finish(): void {
    this.#head = '';
    this.#bodyBytesLeft = UNKNOWN;
    this.#isBusy = false;
    this.#events.onAnswered(this);
  }
}
