// The clients and servers of a network namespace, in one process: servers by name with their ports as arguments (`echo=7000`), clients on
// demand, one JSON line each way.
import { createServer as createHttpServer } from 'node:http';
import net from 'node:net';
import { createInterface } from 'node:readline';

/** Connects, sends, and tells what came back once `count` bytes did, or the connection ended. */
export interface Order {
  readonly host: string;
  readonly port: number;
  readonly send: string;
  readonly count: number;
}

export interface Outcome {
  readonly received: string;
  readonly error: string;
}

const SERVERS: Record<string, () => net.Server> = {
  /** Says its name before everything that it sends back, so that one tells by whom a connection was answered. */
  echo: () => net.createServer((socket) => void answer(socket, 'echo:')),
  banner: () => net.createServer((socket) => void answer(socket, '220 banner\r\n')),
  http: () =>
    createHttpServer((request, response) => {
      const { host = '', 'x-request-id': requestId = 'none' } = request.headers;
      response.end(`http host=${host} request-id=${requestId === 'none' ? 'no' : 'yes'} end`);
    }),
};

for (const argument of process.argv.slice(2)) {
  const [name = '', port] = argument.split('=');
  const server = SERVERS[name]?.();
  if (server === undefined) throw new Error(`no server is called ${name}`);
  await new Promise<void>((resolve) => server.listen({ port: Number(port), host: '::' }, resolve));
}
process.stdout.write('{"ready":true}\n');
for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await follow(JSON.parse(line) as Order))}\n`);
}
process.exit(0);

function answer(socket: net.Socket, greeting: string): void {
  socket.on('error', () => {});
  socket.write(greeting);
  socket.pipe(socket);
}

function follow({ host, port, send, count }: Order): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    let received = '';
    let error = '';
    socket.setEncoding('latin1');
    socket.write(send, 'latin1');
    socket.on('data', (text: string) => {
      received += text;
      if (received.length >= count) socket.destroy();
    });
    socket.on('error', (reason: NodeJS.ErrnoException) => {
      error = reason.code ?? reason.message;
    });
    socket.on('close', () => resolve({ received, error }));
  });
}
