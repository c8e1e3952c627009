// The smallest relay that a tap can sit beside: what a client and a server say passes through unchanged, and the tap sees it.
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import type { StreamTap } from '../../sidecar/src/protocol/tcp/stream-tap.ts';

export interface PlainRelay {
  readonly port: number;
  close(): Promise<void>;
}

/** `openTap` is asked for a tap for every connection. */
export async function startPlainRelay(targetPort: number, openTap: () => StreamTap): Promise<PlainRelay> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(targetPort, '127.0.0.1');
    const tap = openTap();
    let isOn = true;
    const over = () => {
      if (isOn) tap.onClosed(performance.now());
      isOn = false;
    };
    client.on('data', (bytes: Buffer) => {
      if (isOn) isOn = tap.onClientBytes(bytes, 0, bytes.length, performance.now());
      upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => {
      if (isOn) isOn = tap.onServerBytes(bytes, 0, bytes.length, performance.now());
      client.write(bytes);
    });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
        over();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
