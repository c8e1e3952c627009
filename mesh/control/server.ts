/**
 * The control plane's gRPC interface to sidecars.
 *
 * Invariant: it speaks in clear, on an address that nobody but its own sidecar reaches; who asks was proven to that one, by mTLS.
 */
import { Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../sidecar/src/config/address.ts';
import {
  ANSWER,
  type TraceAnswer,
  type TraceQuestion,
} from '../../sidecar/src/observe/explain/question-message.ts';
import { SHARE } from '../../sidecar/src/observe/retention/kept-traces-message.ts';
import { LIMITS } from './limits.ts';
import type { TraceQuestions } from './trace-questions.ts';
import type { TraceSharing } from './trace-sharing.ts';

export interface ControlServer {
  readonly port: number;
  /** Ends all streams. */
  stop(): Promise<void>;
}

type Stream = ServerDuplexStream<Buffer, Buffer>;
type AnswerStream = ServerDuplexStream<TraceAnswer, TraceQuestion>;
type Streams = Set<{ end(): void }>;

export async function startControlServer(
  listen: Address,
  traces: TraceSharing,
  questions: TraceQuestions,
): Promise<ControlServer> {
  const server = new Server({ 'grpc.max_receive_message_length': LIMITS.messageBytes });
  const streams: Streams = new Set();
  server.addService(
    { Share: { ...SHARE, originalName: 'share' }, Answer: { ...ANSWER, originalName: 'answer' } },
    {
      Share: (stream: Stream) => serveTraces(stream, streams, traces),
      Answer: (stream: AnswerStream) => serveQuestions(stream, streams, questions),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatAddress(listen), ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        for (const stream of streams) stream.end();
        const deadline = setTimeout(() => server.forceShutdown(), LIMITS.stopMs);
        server.tryShutdown(() => {
          clearTimeout(deadline);
          resolve();
        });
      }),
  };
}

function serveTraces(stream: Stream, streams: Streams, traces: TraceSharing): void {
  let congested = false;
  const subscription = traces.subscribe({
    write(ids) {
      if (congested) return false;
      congested = !stream.write(ids);
      return true;
    },
  });
  if (subscription === null) {
    stream.emit('error', {
      code: status.RESOURCE_EXHAUSTED,
      details: 'there are as many sidecars as there may be',
    });
    return;
  }
  const end = (): void => {
    streams.delete(stream);
    subscription.end();
  };
  streams.add(stream);
  stream.on('drain', () => {
    congested = false;
  });
  stream.on('data', (ids: Buffer) => subscription.tell(ids));
  stream.on('end', () => {
    end();
    stream.end();
  });
  stream.on('cancelled', end);
  stream.on('error', end);
  // So that the other side knows that it is heard, before there is anything to say.
  stream.sendMetadata(new Metadata());
}

function serveQuestions(stream: AnswerStream, streams: Streams, questions: TraceQuestions): void {
  const interview = questions.join({ ask: (question) => void stream.write(question) });
  const end = (): void => {
    streams.delete(stream);
    interview.end();
  };
  streams.add(stream);
  stream.on('data', (answer: TraceAnswer) => interview.answer(answer));
  stream.on('end', () => {
    end();
    stream.end();
  });
  stream.on('cancelled', end);
  stream.on('error', end);
}
