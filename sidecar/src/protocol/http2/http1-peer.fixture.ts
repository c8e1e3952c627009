// One end of a connection of HTTP/1.1, byte by byte: the other half of tests that translate.
import net from 'node:net';
import { listen } from './hop.fixture.ts';

const WAIT_LIMIT_MS = 3_000;

export class Http1Peer {
  readonly socket: net.Socket;
  /** All that came, as Latin-1. */
  text = '';
  /** The other end will send nothing more. */
  ended = false;
  /** The connection was reset. */
  wasReset = false;
  private readonly waiting = new Set<() => void>();

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.text += chunk;
      this.notify();
    });
    socket.on('error', () => {
      this.wasReset = true;
      this.end();
    });
    socket.on('end', () => this.end());
    socket.on('close', () => this.end());
  }

  static async connect(port: number): Promise<Http1Peer> {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Http1Peer(socket);
  }

  send(text: string): void {
    if (!this.socket.destroyed) this.socket.write(text, 'latin1');
  }

  async until(condition: () => boolean, what = 'what it waits for'): Promise<void> {
    const came = await new Promise<boolean>((resolve) => {
      const check = () => condition() && finish(true);
      const timer = setTimeout(() => finish(false), WAIT_LIMIT_MS);
      const finish = (value: boolean) => {
        clearTimeout(timer);
        this.waiting.delete(check);
        resolve(value);
      };
      this.waiting.add(check);
      check();
    });
    if (!came) throw new Error(`${what} did not come; what came: ${JSON.stringify(this.text)}`);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private end(): void {
    this.ended = true;
    this.notify();
  }

  private notify(): void {
    for (const check of [...this.waiting]) check();
  }
}

export interface Http1Upstream {
  readonly port: number;
  readonly peers: Http1Peer[];
  close(): void;
}

/** Each connection is a peer that the test plays; `onData` is told of everything that comes. */
export async function openHttp1Upstream(onData: (peer: Http1Peer) => void): Promise<Http1Upstream> {
  const peers: Http1Peer[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = new Http1Peer(socket);
    peers.push(peer);
    socket.on('data', () => onData(peer));
  });
  const port = await listen(server);
  return {
    port,
    peers,
    close() {
      for (const peer of peers) peer.destroy();
      server.close();
    },
  };
}
