// grpc-js as client and as server, with two sidecars between them: what Node services see of the mesh.
import { once } from 'node:events';
import {
  type Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { throughTwoSidecars } from './sidecar-pair.ts';
import type { Stand } from './stand.ts';

const same = (bytes: Buffer): Buffer => bytes;

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const METHODS = {
  Unary: method('Unary', false, false),
  Fail: method('Fail', false, false),
  Sleep: method('Sleep', false, false),
  Collect: method('Collect', true, false),
  Count: method('Count', false, true),
  PingPong: method('PingPong', true, true),
};
const MESSAGES = 1_000;
const LARGE_BYTES = 3_000_000;

/** Tells when a call that never answers was cancelled. */
let cancelled = 0;

const unary: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
  const trailer = new Metadata();
  trailer.set('seen-bin', call.metadata.get('sent-bin')[0] ?? Buffer.alloc(0));
  const initial = new Metadata();
  initial.set('seen', call.metadata.get('sent')[0] ?? '');
  call.sendMetadata(initial);
  answer(null, call.request, trailer);
};
const fail: handleUnaryCall<Buffer, Buffer> = (_call, answer) =>
  answer({ code: status.FAILED_PRECONDITION, details: 'naïve: 100 % "wrong"' });
const sleep: handleUnaryCall<Buffer, Buffer> = (call) => void call.on('cancelled', () => cancelled++);
const collect: handleClientStreamingCall<Buffer, Buffer> = (call, answer) => {
  const parts: Buffer[] = [];
  call.on('data', (part: Buffer) => parts.push(part));
  call.on('end', () => answer(null, Buffer.concat(parts)));
};
const count: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  for (let i = 0; i < MESSAGES; i++) call.write(Buffer.from(String(i)));
  call.end();
};
const pingPong: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (part: Buffer) => call.write(part));
  call.on('end', () => call.end());
};

describe.each(['off', 'strict'] as const)('through two sidecars, mTLS %s', (mtls) => {
  let server: Server;
  let passage: Stand;
  let client: Client;

  beforeAll(async () => {
    server = new Server({ 'grpc.max_receive_message_length': -1 });
    server.addService(METHODS, {
      Unary: unary,
      Fail: fail,
      Sleep: sleep,
      Collect: collect,
      Count: count,
      PingPong: pingPong,
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    passage = await throughTwoSidecars({ mtls, protocol: 'grpc' })(port);
    const EchoClient = makeGenericClientConstructor(METHODS, 'Echo');
    client = new EchoClient(`127.0.0.1:${passage.port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
  });

  afterAll(async () => {
    client.close();
    server.forceShutdown();
    await passage.stop();
  });

  function call(
    definition: MethodDefinition<Buffer, Buffer>,
    message: Buffer,
    deadlineMs?: number,
  ): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      client.makeUnaryRequest(
        definition.path,
        same,
        same,
        message,
        new Metadata(),
        options,
        (error, answer) => (error === null ? resolve(answer as Buffer) : reject(error)),
      );
    });
  }

  const failure = (promise: Promise<unknown>): Promise<ServiceError> =>
    promise.then(
      () => Promise.reject(new Error('the call succeeded')),
      (error: ServiceError) => error,
    );

  test('200 calls at once get their own answers', async () => {
    const messages = Array.from({ length: 200 }, (_, i) => Buffer.from(`message ${i} `.repeat(i + 1)));
    const answers = await Promise.all(messages.map((message) => call(METHODS.Unary, message)));
    expect(answers.map(String)).toEqual(messages.map(String));
  });

  test('metadata travels there and back, text and binary, in the head and behind the body', async () => {
    const sent = new Metadata();
    sent.set('sent', 'x y');
    sent.set('sent-bin', Buffer.from([0, 255, 13, 10]));
    const request = client.makeUnaryRequest(METHODS.Unary.path, same, same, Buffer.from('m'), sent, () => {});
    const [initial] = (await once(request, 'metadata')) as [Metadata];
    const [ended] = (await once(request, 'status')) as [{ metadata: Metadata }];
    expect(initial.get('seen')).toEqual(['x y']);
    expect(ended.metadata.get('seen-bin')).toEqual([Buffer.from([0, 255, 13, 10])]);
  });

  test('a status and its message arrive as the service gave them', async () => {
    const { code, details } = await failure(call(METHODS.Fail, Buffer.from('m')));
    expect([code, details]).toEqual([status.FAILED_PRECONDITION, 'naïve: 100 % "wrong"']);
  });

  test('a message of 3 MB', async () => {
    const message = Buffer.from(Uint8Array.from({ length: LARGE_BYTES }, (_, i) => i % 251));
    expect((await call(METHODS.Unary, message)).equals(message)).toBe(true);
  });

  test('a stream to the service', async () => {
    const answer = new Promise<Buffer>((resolve, reject) => {
      const stream = client.makeClientStreamRequest(METHODS.Collect.path, same, same, (error, collected) =>
        error === null ? resolve(collected as Buffer) : reject(error),
      );
      for (let i = 0; i < MESSAGES; i++) stream.write(Buffer.from(`${i},`));
      stream.end();
    });
    expect(String(await answer)).toBe(Array.from({ length: MESSAGES }, (_, i) => `${i},`).join(''));
  });

  test('a stream from the service', async () => {
    const stream = client.makeServerStreamRequest(METHODS.Count.path, same, same, Buffer.from('m'));
    const seen: string[] = [];
    stream.on('data', (part: Buffer) => seen.push(String(part)));
    await once(stream, 'end');
    expect(seen).toEqual(Array.from({ length: MESSAGES }, (_, i) => String(i)));
  });

  test('ping-pong: each message is answered before the next is sent', async () => {
    const stream = client.makeBidiStreamRequest(METHODS.PingPong.path, same, same);
    for (let i = 0; i < 100; i++) {
      stream.write(Buffer.from(`ping ${i}`));
      const [answer] = (await once(stream, 'data')) as [Buffer];
      expect(String(answer)).toBe(`ping ${i}`);
    }
    stream.end();
    stream.resume();
    await once(stream, 'end');
  });

  test('a deadline ends the call, and the service hears of it', async () => {
    const before = cancelled;
    const { code } = await failure(call(METHODS.Sleep, Buffer.from('m'), 150));
    expect(code).toBe(status.DEADLINE_EXCEEDED);
    await expect.poll(() => cancelled).toBe(before + 1);
  });

  test('a caller that cancels is heard of by the service', async () => {
    const before = cancelled;
    const request = client.makeUnaryRequest(METHODS.Sleep.path, same, same, Buffer.from('m'), () => {});
    // The call must have reached the service, or there is nothing to cancel there.
    await call(METHODS.Unary, Buffer.from('m'));
    request.cancel();
    await expect.poll(() => cancelled).toBe(before + 1);
  });

  test('a service that is gone is UNAVAILABLE, with the failure in words', async () => {
    const { port, stop } = await throughTwoSidecars({ mtls, protocol: 'grpc' })(1);
    const EchoClient = makeGenericClientConstructor(METHODS, 'Echo');
    const lonely = new EchoClient(`127.0.0.1:${port}`, credentials.createInsecure());
    try {
      const error = await failure(
        new Promise((resolve, reject) => {
          lonely.makeUnaryRequest(METHODS.Unary.path, same, same, Buffer.from('m'), (cause, answer) =>
            cause === null ? resolve(answer) : reject(cause),
          );
        }),
      );
      expect(error.code).toBe(status.UNAVAILABLE);
      expect(error.details).toContain('connect_refused');
    } finally {
      lonely.close();
      await stop();
    }
  });
});
