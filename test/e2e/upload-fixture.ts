// A client that sends a body piece by piece over either protocol, and a service that notes every byte it gets.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

export const UPLOAD_PROTOCOLS = ['http1', 'http2'] as const;
export type UploadProtocol = (typeof UPLOAD_PROTOCOLS)[number];

export interface UploadOptions {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  /** What is said behind the body. */
  readonly trailers?: Record<string, string>;
}

export interface UploadAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders | http2.IncomingHttpHeaders;
  readonly body: string;
}

/** A request whose body the test sends. */
export interface Upload {
  /** Status 0 when there was none. */
  readonly answer: Promise<UploadAnswer>;
  /** `100 Continue` came. */
  readonly continued: Promise<void>;
  write(bytes: string | Uint8Array): void;
  end(bytes?: string | Uint8Array): void;
  /** Goes away in the middle. */
  abort(): void;
  close(): void;
}

export function upload(protocol: UploadProtocol, port: number, options: UploadOptions = {}): Upload {
  return protocol === 'http1' ? uploadHttp1(port, options) : uploadHttp2(port, options);
}

/** Sends all of it at once. */
export async function post(
  protocol: UploadProtocol,
  port: number,
  body: string | Uint8Array,
  options: UploadOptions = {},
): Promise<UploadAnswer> {
  const sent = upload(protocol, port, options);
  sent.end(body);
  const answer = await sent.answer;
  sent.close();
  return answer;
}

const NO_ANSWER: UploadAnswer = { status: 0, headers: {}, body: '' };

function uploadHttp1(port: number, options: UploadOptions): Upload {
  const { path = '/', method = 'POST', headers = {}, trailers } = options;
  const all = {
    host: 'a.test',
    ...(trailers === undefined ? {} : { trailer: Object.keys(trailers).join() }),
  };
  const request = http.request({
    ...{ host: '127.0.0.1', port, path, method, agent: new http.Agent({ keepAlive: false }) },
    headers: { ...all, ...headers },
  });
  const answer = once(request, 'response')
    .then(async ([response]: http.IncomingMessage[]) => {
      let body = '';
      for await (const chunk of (response as http.IncomingMessage).setEncoding('utf8')) body += chunk;
      const { statusCode = 0, headers: fields = {} } = response ?? {};
      return { status: statusCode, headers: fields, body };
    })
    .catch(() => NO_ANSWER);
  const continued = new Promise<void>((resolve) => request.once('continue', resolve));
  request.on('error', () => {});
  request.flushHeaders();
  return {
    ...{ answer, continued },
    write: (bytes) => void request.write(bytes),
    end(bytes) {
      if (trailers !== undefined) request.addTrailers(trailers);
      request.end(bytes);
    },
    abort: () => void request.destroy(),
    close: () => void request.destroy(),
  };
}

function uploadHttp2(port: number, options: UploadOptions): Upload {
  const { path = '/', method = 'POST', headers = {}, trailers } = options;
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request(
    { ':path': path, ':method': method, ...headers },
    { endStream: false, waitForTrailers: trailers !== undefined },
  );
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  const answer = once(stream, 'response')
    .then(async ([fields]: http2.IncomingHttpHeaders[]) => {
      let body = '';
      for await (const chunk of stream.setEncoding('utf8')) body += chunk;
      return { status: Number(fields?.[':status'] ?? 0), headers: fields ?? {}, body };
    })
    .catch(() => NO_ANSWER);
  const continued = new Promise<void>((resolve) => stream.once('continue', resolve));
  stream.on('error', () => {});
  return {
    ...{ answer, continued },
    write: (bytes) => void stream.write(bytes),
    end: (bytes) => void stream.end(bytes),
    // `close` would end the body first.
    abort: () => void stream.destroy(new Error('given up')),
    close: () => session.destroy(),
  };
}

/** A request as the service got it. */
export interface Arrived {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  trailers: NodeJS.Dict<string>;
  body: Buffer;
  complete: boolean;
}

export interface Witness {
  readonly port: number;
  /** Whose heads have come, in order. */
  readonly requests: Arrived[];
  /** Connections accepted, and bytes read from all of them. */
  connections(): number;
  bytesRead(): number;
  close(): void;
}

/** Answers with 200 and the length of the body as its text, when it has all of it. */
export async function startWitness(
  serve: (arrived: Arrived, response: http.ServerResponse) => void = (arrived, response) =>
    response.end(String(arrived.body.length)),
): Promise<Witness> {
  const requests: Arrived[] = [];
  const sockets: Socket[] = [];
  const server = http.createServer((request, response) => {
    const arrived: Arrived = {
      ...{ path: request.url ?? '', headers: request.headers, trailers: {} },
      ...{ body: Buffer.alloc(0), complete: false },
    };
    requests.push(arrived);
    request.on('data', (chunk: Buffer) => {
      arrived.body = Buffer.concat([arrived.body, chunk]);
    });
    request.on('error', () => {});
    request.on('end', () => {
      arrived.complete = true;
      arrived.trailers = request.trailers;
      serve(arrived, response);
    });
  });
  server.on('connection', (socket) => void sockets.push(socket));
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    connections: () => sockets.length,
    bytesRead: () => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
