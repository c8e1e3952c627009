// Services that answer whatever is asked with a body of a given size, on HTTP/1.1 or on HTTP/2 in clear text.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Stand } from './stand.ts';

const MAX_SESSION_MB = 1_000;

/** `delayMs` is how long the whole request waits for its answer. */
export async function startHttp2Origin(bodyBytes: number, delayMs = 0): Promise<Stand> {
  const body = Buffer.alloc(bodyBytes, 'x');
  const sessions = new Set<http2.ServerHttp2Session>();
  // Node refuses streams when a session holds more than 10 MB, and all streams through a sidecar may share one session.
  const server = http2.createServer({ maxSessionMemory: MAX_SESSION_MB });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => stream.destroy());
    stream.resume().on('end', () => {
      answerLater(delayMs, () => {
        if (stream.destroyed) return;
        stream.respond({ ':status': 200 });
        stream.end(body);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function startHttp1Origin(bodyBytes: number, delayMs = 0): Promise<Stand> {
  const body = Buffer.alloc(bodyBytes, 'x');
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => answerLater(delayMs, () => response.end(body)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function answerLater(delayMs: number, answer: () => void): void {
  if (delayMs === 0) answer();
  else setTimeout(answer, delayMs).unref();
}
