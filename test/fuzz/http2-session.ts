// What Node's client of HTTP/2 says to Node's server, in a few connections: bodies both ways, trailers, interim responses, resets, pings,
// settings that change, an extended CONNECT, a graceful end.
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';

export async function startHttp2Server(): Promise<{ port: number; stop(): Promise<void> }> {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {});
    if (headers[':path'] === '/hang') return;
    if (headers[':path'] === '/interim') stream.additionalHeaders({ ':status': 103, link: '</a>' });
    stream.respond({ ':status': 200, 'x-kind': 'recorded' }, { waitForTrailers: headers.te === 'trailers' });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      await once(server, 'close');
    },
  };
}

export async function runHttp2Session(port: number): Promise<void> {
  for (const requests of SESSIONS) {
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { enablePush: false } });
    await once(session, 'remoteSettings');
    for (const { headers, body, cancel } of requests) {
      const stream = session.request(headers, { endStream: body === undefined });
      if (body !== undefined && headers[':method'] !== 'CONNECT') stream.end(body);
      if (headers[':method'] === 'CONNECT') stream.write('tunnelled');
      if (cancel) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        stream.close(http2.constants.NGHTTP2_CANCEL);
      }
      stream.on('error', () => {});
      stream.resume();
      if (headers[':method'] === 'CONNECT') stream.once('data', () => stream.end());
      await once(stream, 'close');
    }
    session.settings({ initialWindowSize: 1_000, headerTableSize: 0 });
    session.ping(() => {});
    await once(session, 'localSettings');
    session.close();
    await once(session, 'close');
  }
}

interface Step {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly body?: string;
  readonly cancel?: boolean;
}

const SESSIONS: readonly (readonly Step[])[] = [
  [
    { headers: { ':path': '/', 'x-first': 'one' } },
    { headers: { ':path': '/', 'x-first': 'one' } },
    { headers: { ':path': '/hang' }, cancel: true },
    { headers: { ':path': '/echo', ':method': 'POST', 'content-length': 5 }, body: 'hello' },
  ],
  [
    { headers: { ':path': '/interim' } },
    { headers: { ':path': '/echo', ':method': 'POST', te: 'trailers' }, body: 'x'.repeat(3_000) },
    { headers: { ':path': '/', ':method': 'HEAD' } },
  ],
  [
    { headers: { ':path': '/chat', ':method': 'CONNECT', ':protocol': 'websocket' }, body: '' },
    { headers: { ':path': '/', cookie: 'a=1; b=2', authorization: 'Basic eA==' } },
  ],
];
