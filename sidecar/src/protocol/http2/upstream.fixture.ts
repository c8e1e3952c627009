// An endpoint that speaks HTTP/2 and does what a test tells it: every connection is a RawPeer, every request a call.
import net from 'node:net';
import { FLAG_END_STREAM, FRAME_HEADERS } from './frame.ts';
import { listen } from './hop.fixture.ts';
import { data, type Field, fieldOf, headers, RawPeer, settings } from './raw-peer.fixture.ts';

export interface SeenRequest {
  readonly peer: RawPeer;
  readonly streamId: number;
  readonly fields: Field[];
  readonly path: string;
}

export interface Upstream {
  readonly port: number;
  readonly peers: RawPeer[];
  /** In the order in which their heads came. */
  readonly requests: SeenRequest[];
  /** Requests of this path. */
  seen(path: string): SeenRequest[];
  close(): void;
}

export type Serve = (request: SeenRequest, index: number) => void;

/** `opening` is sent on each connection, as soon as it is there. */
export async function openUpstream(serve: Serve, opening: Buffer | null = settings()): Promise<Upstream> {
  const peers: RawPeer[] = [];
  const requests: SeenRequest[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = new RawPeer(socket, false);
    peers.push(peer);
    peer.answers = opening !== null;
    if (opening !== null) peer.send(opening);
    let handled = 0;
    socket.on('data', () => {
      for (; handled < peer.frames.length; handled++) {
        const { type, streamId, fields } = peer.frames[handled] as RawPeer['frames'][number];
        if (type !== FRAME_HEADERS || fieldOf(fields, ':method') === undefined) continue;
        const request = { peer, streamId, fields, path: fieldOf(fields, ':path') ?? '' };
        requests.push(request);
        serve(request, requests.length - 1);
      }
    });
  });
  const port = await listen(server);
  return {
    port,
    peers,
    requests,
    seen: (path) => requests.filter((request) => request.path === path),
    close() {
      for (const peer of peers) peer.destroy();
      server.close();
    },
  };
}

/** A short answer with the path as its body. */
export function answerWithPath({ peer, streamId, path }: SeenRequest): void {
  peer.send(
    headers(streamId, [
      [':status', '200'],
      ['content-length', String(path.length)],
    ]),
    data(streamId, path, FLAG_END_STREAM),
  );
}
