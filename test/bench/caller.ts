// What a load generator calls with: a place that holds one request at a time, which is a connection of HTTP/1.1 or one of the
// streams that an HTTP/2 connection may have open.

export interface Caller {
  /** When the request that it holds arrived; the generator's to set. */
  arrivedAt: number;
  /** Sends the request. `onAnswered` follows once, unless `onFailed` does. */
  send(): void;
}

export interface CallerEvents {
  /** The caller can be used: its connection stands. */
  onReady(caller: Caller): void;
  /** Bytes of an answer's body. */
  onBody(bytes: number): void;
  /** All of the answer is there, and it is the expected one. */
  onAnswered(caller: Caller): void;
  /** Anything else. The measurement is over. */
  onFailed(message: string): void;
}

export interface CallerConnection {
  close(): void;
}

export type ConnectCallers = (events: CallerEvents) => CallerConnection;

/** All connections read into one buffer, as each read is handled before the next. */
export const readBuffer: Buffer = Buffer.allocUnsafe(256 * 1024);
