// The caller against grpc-js, a server that its author never saw.
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { findOnPath } from '../parts/install.ts';
import { encodeRequest, GRPC_WORKLOADS, HOST, type Workload } from './cells.ts';
import { generateLoad } from './generator.ts';
import { callGrpc } from './grpc-caller.ts';
import { saturateWithCalls } from './h2load.ts';

const workload = GRPC_WORKLOADS[0] as Workload;
const canInstall = (await findOnPath('apt-get')) !== null;
let server: Server | null = null;
const seen = { messages: new Set<string>(), authorities: new Set<string>(), calls: 0 };

afterEach(() => server?.forceShutdown());

/** Answers with what it is sent, or with `answer`, or fails with `code`. */
async function serve(options: { answer?: Buffer; code?: status } = {}): Promise<number> {
  seen.calls = 0;
  server = new Server();
  const bytes = (message: Buffer) => message;
  const method = {
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
  server.addService(
    { Unary: { path: workload.path, requestStream: false, responseStream: false, ...method } },
    {
      Unary: (
        call: { request: Buffer; getHost: () => string },
        respond: (error: { code: status } | null, response?: Buffer) => void,
      ) => {
        seen.calls++;
        seen.messages.add(call.request.toString());
        seen.authorities.add(call.getHost());
        if (options.code === undefined) respond(null, options.answer ?? call.request);
        else respond({ code: options.code });
      },
    },
  );
  return new Promise((resolve, reject) => {
    server?.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

function load(port: number, ratePerSecond: number | null) {
  const { path, responseBytes } = workload;
  const request = encodeRequest(workload);
  const call = { port, authority: HOST, path, request, responseBytes, streams: 8 };
  return generateLoad({
    connections: [callGrpc(call), callGrpc(call)],
    concurrency: 16,
    responseBytes,
    ratePerSecond,
    warmUpMs: 20,
    measureMs: 200,
    readCpuNs: () => 0,
  });
}

test.each([null, 200])('calls are whole and their answers are read whole, at rate %s', async (rate) => {
  const result = await load(await serve(), rate);
  expect(result.requests).toBeGreaterThan(10);
  expect(result.answered).toBe(seen.calls);
  expect([...seen.messages]).toEqual(['x'.repeat(1024)]);
  expect([...seen.authorities]).toEqual([HOST]);
});

test('an answer of another length is an error', async () => {
  const port = await serve({ answer: Buffer.from('short') });
  await expect(load(port, null)).rejects.toThrow(/unexpected answer: 2 heads, 10 bytes/);
});

test('a call that fails is an error', async () => {
  const port = await serve({ code: status.UNAVAILABLE });
  await expect(load(port, null)).rejects.toThrow(/unexpected answer: 1 heads, 0 bytes/);
});

test('a server that leaves is an error', async () => {
  const port = await serve();
  const running = load(port, null);
  setTimeout(() => server?.forceShutdown(), 100);
  await expect(running).rejects.toThrow(/closed a connection|going away|was reset|ECONNRESET/);
});

test.skipIf(!canInstall)('h2load: a call that fails is an error, although its status is 200', async () => {
  const window = { warmUpMs: 50, measureMs: 50, readCpuNs: () => 0 };
  const port = await serve({ code: status.UNAVAILABLE });
  await expect(saturateWithCalls({ port, workload, concurrency: 8, ...window })).rejects.toThrow(
    /500 answers of 1029 bytes came as 0 bytes/,
  );
});
