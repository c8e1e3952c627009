// The two ends of a hop, each in either protocol and with one face, so that one test says what must hold for every pair of protocols.
import { CANCEL, FLAG_END_STREAM, INTERNAL_ERROR } from '../../../sidecar/src/protocol/http2/frame.ts';
import { Http1Peer, openHttp1Upstream } from '../../../sidecar/src/protocol/http2/http1-peer.fixture.ts';
import {
  data,
  type Field,
  fieldOf,
  headers,
  RawPeer,
  reset,
} from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import { openUpstream } from '../../../sidecar/src/protocol/http2/upstream.fixture.ts';
import { type Message, readRequest, readResponse } from '../message.ts';
import { pseudo } from './case.ts';

export type Protocol = 'http1' | 'http2';

/** How a body is framed: by nothing, by its length, or by where it ends. */
export type Framing = { kind: 'none' } | { kind: 'length'; length: number } | { kind: 'open' };

/** What an end has got so far of a message. */
export interface Seen {
  /** Of a response; 0 while there is none. */
  status: number;
  interim: number[];
  fields: Field[];
  body: string;
  trailers: Field[];
  complete: boolean;
  /** It will never be complete. */
  broken: boolean;
}

export interface Sender {
  sendBody(text: string): void;
  sendEnd(trailers?: Field[]): void;
  /** Breaks the message off, by the means of the protocol. */
  abort(): void;
  /** Breaks the connection. */
  vanish(): void;
}

export interface ClientEnd extends Sender {
  begin(method: string, framing: Framing, fields?: Field[]): void;
  seen(): Seen;
}

/** One request at the endpoint. */
export interface ServerEnd extends Sender {
  sendInterim(status: number): void;
  begin(status: number, framing: Framing, fields?: Field[]): void;
  seen(): Seen;
}

export interface Server {
  readonly port: number;
  /** Requests whose head came, in order. */
  readonly requests: ServerEnd[];
  close(): void;
}

export async function openClient(protocol: Protocol, port: number): Promise<ClientEnd> {
  return protocol === 'http1'
    ? new Http1Client(await Http1Peer.connect(port))
    : new Http2Client(await RawPeer.connect(port));
}

export async function openServer(protocol: Protocol): Promise<Server> {
  const requests: ServerEnd[] = [];
  if (protocol === 'http2') {
    const { port, close } = await openUpstream(({ peer, streamId }) => {
      requests.push(new Http2Request(peer, streamId));
    });
    return { port, requests, close };
  }
  const known = new Map<Http1Peer, Http1Request>();
  const { port, close } = await openHttp1Upstream((peer) => {
    if (known.has(peer) || !peer.text.includes('\r\n\r\n')) return;
    const request = new Http1Request(peer);
    known.set(peer, request);
    requests.push(request);
  });
  return { port, requests, close };
}

abstract class Http1End {
  protected readonly peer: Http1Peer;
  private chunked = false;

  constructor(peer: Http1Peer) {
    this.peer = peer;
  }

  sendBody(text: string): void {
    this.peer.send(this.chunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text);
  }

  sendEnd(trailers: Field[] = []): void {
    if (this.chunked) this.peer.send(`0\r\n${lines(trailers)}\r\n`);
  }

  abort(): void {
    this.peer.destroy();
  }

  vanish(): void {
    this.peer.socket.resetAndDestroy();
  }

  protected sendHead(start: string, framing: Framing, fields: readonly Field[]): void {
    this.chunked = framing.kind === 'open';
    const framingFields: Field[] =
      framing.kind === 'length'
        ? [['content-length', String(framing.length)]]
        : framing.kind === 'open'
          ? [['transfer-encoding', 'chunked']]
          : [];
    this.peer.send(`${start}\r\n${lines([...fields, ...framingFields])}\r\n`);
  }

  protected see(message: Message | null, complete: boolean): Seen {
    const { ended } = this.peer;
    return {
      status: 0,
      interim: [],
      fields: message?.fields.map(({ name, value }): Field => [name.toLowerCase(), value]) ?? [],
      body: message?.body ?? '',
      trailers: message?.trailers.map(({ name, value }): Field => [name.toLowerCase(), value]) ?? [],
      complete,
      broken: ended && !complete,
    };
  }
}

class Http1Client extends Http1End implements ClientEnd {
  begin(method: string, framing: Framing, fields: Field[] = []): void {
    this.sendHead(`${method} /p HTTP/1.1\r\nHost: a.test`, framing, fields);
  }

  seen(): Seen {
    const { text, ended, wasReset } = this.peer;
    const reading = readResponse(text, 0, { toHead: false, ended: ended && !wasReset });
    if (reading.state === 'invalid') throw new Error(`the client got ${JSON.stringify(text)}`);
    const sequence = reading.state === 'complete' ? reading.value : reading.partial;
    const seen = this.see(sequence?.final ?? null, reading.state === 'complete');
    seen.status = statusOf(sequence?.final);
    seen.interim = sequence?.interim.map(statusOf) ?? [];
    return seen;
  }
}

class Http1Request extends Http1End implements ServerEnd {
  sendInterim(status: number): void {
    this.peer.send(`HTTP/1.1 ${status} Interim\r\n\r\n`);
  }

  begin(status: number, framing: Framing, fields: Field[] = []): void {
    this.sendHead(`HTTP/1.1 ${status} Some`, framing, fields);
  }

  seen(): Seen {
    const reading = readRequest(this.peer.text, 0);
    if (reading.state === 'invalid')
      throw new Error(`the endpoint got ${JSON.stringify(this.peer.text)}: ${reading.reason}`);
    const seen = this.see(
      reading.state === 'complete' ? reading.value : reading.partial,
      reading.state === 'complete',
    );
    // A complete request may be given up, too.
    seen.broken = this.peer.ended;
    return seen;
  }
}

abstract class Http2End {
  protected readonly peer: RawPeer;
  protected readonly streamId: number;

  constructor(peer: RawPeer, streamId: number) {
    this.peer = peer;
    this.streamId = streamId;
  }

  sendBody(text: string): void {
    for (let at = 0; at < text.length; at += 16_384) {
      this.peer.send(data(this.streamId, text.slice(at, at + 16_384)));
    }
  }

  sendEnd(trailers: Field[] = []): void {
    this.peer.send(
      trailers.length > 0
        ? headers(this.streamId, trailers, FLAG_END_STREAM)
        : data(this.streamId, '', FLAG_END_STREAM),
    );
  }

  vanish(): void {
    this.peer.socket.resetAndDestroy();
  }

  protected sendHead(fields: readonly Field[], framing: Framing): void {
    const length: Field[] = framing.kind === 'length' ? [['content-length', String(framing.length)]] : [];
    const flags = framing.kind === 'none' ? FLAG_END_STREAM : 0;
    this.peer.send(headers(this.streamId, [...fields, ...length], flags));
  }

  seen(): Seen {
    const { peer, streamId } = this;
    const heads = peer.heads(streamId);
    const trailers = heads.length > 1 ? heads.at(-1) : undefined;
    const complete = peer.isComplete(streamId);
    const wasReset = peer.resetCode(streamId) !== -1;
    return {
      status: peer.status(streamId),
      interim: heads
        .map((head) => Number(fieldOf(head, ':status') ?? 0))
        .filter((status) => status >= 100 && status < 200),
      fields: heads.find((head) => !(Number(fieldOf(head, ':status') ?? 200) < 200)) ?? [],
      body: peer.body(streamId).toString('latin1'),
      trailers: trailers !== undefined && !trailers.some(([name]) => name.startsWith(':')) ? trailers : [],
      complete,
      broken: wasReset || (peer.ended && !complete),
    };
  }
}

class Http2Client extends Http2End implements ClientEnd {
  constructor(peer: RawPeer) {
    super(peer, 1);
  }

  begin(method: string, framing: Framing, fields: Field[] = []): void {
    this.sendHead([...pseudo({ ':method': method, ':path': '/p' }), ...fields], framing);
  }

  abort(): void {
    this.peer.send(reset(this.streamId, CANCEL));
  }

  override seen(): Seen {
    const seen = super.seen();
    // A reset behind a complete response says that the rest of the request is not wanted.
    return { ...seen, broken: seen.broken && !seen.complete };
  }
}

class Http2Request extends Http2End implements ServerEnd {
  sendInterim(status: number): void {
    this.peer.send(headers(this.streamId, [[':status', String(status)]]));
  }

  begin(status: number, framing: Framing, fields: Field[] = []): void {
    this.sendHead([[':status', String(status)], ...fields], framing);
  }

  abort(): void {
    this.peer.send(reset(this.streamId, INTERNAL_ERROR));
  }
}

function lines(fields: readonly Field[]): string {
  return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}

function statusOf(message: Message | undefined): number {
  return Number(message?.startLine.split(' ')[1] ?? 0);
}
