// The upstream under the test's control: accepts what the proxy opens, records exactly what it gets, answers from the case's script.
// It never guesses: bytes that are no strict HTTP/1.1 request are a violation of their own, whatever the case is about.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Activity } from './activity.ts';
import type { Answer } from './case.ts';
import { type Message, readRequest } from './message.ts';
import { writePackets } from './packets.ts';
import { type SplitPlan, WHOLE } from './split.ts';

export const DEFAULT_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Requests of the runner itself, which ask whether a connection still works; they are answered with their own target. */
export const PROBE_TARGET = '/conformance-probe-';

/** How long a proxy may take to notice bytes that nobody asked for, before the next request shows whether it did. */
const NOTICE_LIMIT_MS = 500;

export interface Script {
  answers: (string | Answer)[];
  tunnel: { up: string; down: string } | null;
  plan: SplitPlan;
}

export class Origin {
  readonly #activity: Activity;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #script: Script = { answers: [], tunnel: null, plan: WHOLE };
  /** Complete requests in the order of their arrival. */
  received: Message[] = [];
  /** How many heads have arrived, of complete requests and others. */
  heads = 0;
  /** What the origin received of requests that never became complete. */
  partials: string[] = [];
  violations: string[] = [];
  tunnelled = '';

  constructor(activity: Activity) {
    this.#activity = activity;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  begin(script: Script): void {
    this.#script = script;
    this.received = [];
    this.heads = 0;
    this.partials = [];
    this.violations = [];
    this.tunnelled = '';
  }

  /**
   * Returns when the script is on the wire and the proxy has had its turn to read it. `late` are bytes nobody asked for, on the
   * connection that answered last; a proxy that notices them closes it.
   */
  async finishSending(late: string | null): Promise<void> {
    const connection = [...this.#connections].findLast((candidate) => candidate.answered > 0);
    if (late !== null && connection) {
      await connection.sending;
      await writePackets(connection.socket, late, this.#script.plan);
      await this.#activity.until(() => connection.peerEnded, NOTICE_LIMIT_MS);
    }
    await Promise.all([...this.#connections].map(({ sending }) => sending));
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  }

  /** Ends every connection as a server does, and returns once the proxy has let go of them all. */
  async settle(): Promise<void> {
    // Whoever does not read does not see an end either.
    for (const connection of this.#connections) connection.socket.resume();
    const broken = [...this.#connections].filter((connection) => connection.rest() !== '');
    if (!(await this.#activity.until(() => broken.every((connection) => connection.peerEnded)))) {
      this.violations.push('a request that will never be complete is left hanging upstream');
    }
    for (const connection of this.#connections) connection.socket.end();
    if (!(await this.#activity.until(() => this.#connections.size === 0))) {
      this.violations.push('the proxy keeps upstream connections that the origin has ended');
      for (const connection of this.#connections) connection.socket.destroy();
    }
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket);
    this.#connections.add(connection);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      if (connection.stopped) return;
      connection.bytes += chunk;
      this.#read(connection);
      this.#activity.notify();
    });
    socket.on('end', () => {
      connection.peerEnded = true;
      // A tunnel ends as a whole; a request may be followed by a half-close and still wants its answer.
      if (connection.tunnel || connection.rest() !== '') socket.end();
      this.#activity.notify();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.peerEnded = true;
      this.#connections.delete(connection);
      if (connection.rest() !== '') this.partials.push(connection.rest());
      this.#activity.notify();
    });
  }

  #read(connection: Connection): void {
    for (;;) {
      if (connection.tunnel) {
        this.#readTunnel(connection, connection.tunnel);
        return;
      }
      if (connection.rest() === '') return;
      const reading = readRequest(connection.bytes, connection.at);
      if (reading.state === 'invalid') {
        this.violations.push(`the proxy sent the origin an invalid request: ${reading.reason}`);
        connection.socket.destroy();
        return;
      }
      const message = reading.state === 'complete' ? reading.value : reading.partial;
      if (message && connection.current === null) this.#beginExchange(connection, message);
      if (reading.state === 'incomplete') {
        this.#stopReading(connection);
        return;
      }
      connection.at = reading.next;
      this.#endExchange(connection, reading.value);
    }
  }

  #beginExchange(connection: Connection, message: Message): void {
    const target = message.startLine.split(' ')[1] ?? '';
    if (target.startsWith(PROBE_TARGET)) {
      connection.current = {
        bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`,
        probe: true,
      };
      return;
    }
    const { answers } = this.#script;
    const answer = answers[Math.min(this.heads, answers.length - 1)] ?? DEFAULT_ANSWER;
    this.heads++;
    connection.current = { ...(typeof answer === 'string' ? { bytes: answer } : answer), probe: false };
    if (connection.current.atHead) this.#send(connection, { bytes: connection.current.atHead });
    if (connection.current.early) this.#send(connection, connection.current);
  }

  #endExchange(connection: Connection, message: Message): void {
    const answer = connection.current;
    connection.current = null;
    if (answer === null) return;
    if (!answer.probe) this.received.push(message);
    if (!answer.early) this.#send(connection, answer);
    if (this.#script.tunnel && answer.bytes.includes(' 101 ')) connection.tunnel = this.#script.tunnel;
  }

  #stopReading(connection: Connection): void {
    const { current, socket } = connection;
    if (current?.stopsAt === undefined || connection.rest().length < current.stopsAt) return;
    connection.stopped = true;
    socket.pause();
    this.#send(connection, current);
  }

  #readTunnel(connection: Connection, tunnel: { up: string; down: string }): void {
    this.tunnelled += connection.rest();
    connection.at = connection.bytes.length;
    if (this.tunnelled === tunnel.up) this.#send(connection, { bytes: tunnel.down });
  }

  #send(connection: Connection, { bytes, after }: Answer): void {
    const { plan } = this.#script;
    connection.answered++;
    connection.sending = connection.sending.then(async () => {
      await writePackets(connection.socket, bytes, plan);
      if (after === 'end') connection.socket.end();
      if (after === 'reset') connection.socket.resetAndDestroy();
    });
  }
}

class Connection {
  readonly socket: Socket;
  bytes = '';
  at = 0;
  current: (Answer & { probe: boolean }) | null = null;
  tunnel: { up: string; down: string } | null = null;
  answered = 0;
  /** Reads nothing more. */
  stopped = false;
  sending: Promise<void> = Promise.resolve();
  peerEnded = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** What has arrived and is not part of a complete request. */
  rest(): string {
    return this.bytes.slice(this.at);
  }
}
