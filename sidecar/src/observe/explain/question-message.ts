/**
 * The call by which the control plane asks for traces, and its messages (mesh/control/traces.proto).
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/minimal.js';
import { BYTES, tagOf, VARINT } from '../wire-type.ts';

export interface TraceQuestion {
  readonly number: number;
  readonly id: string;
}

export interface TraceAnswer {
  /** Of the question. */
  readonly number: number;
  /** JSON; empty when nothing is known. */
  readonly found: Buffer;
}

const NUMBER_TAG = tagOf(1, VARINT);
const SECOND_TAG = tagOf(2, BYTES);

export const ANSWER: MethodDefinition<TraceAnswer, TraceQuestion> = {
  path: '/tulle.control.v1.Traces/Answer',
  requestStream: true,
  responseStream: true,
  requestSerialize: writeAnswer,
  requestDeserialize: readAnswer,
  responseSerialize: writeQuestion,
  responseDeserialize: readQuestion,
};

function writeQuestion({ number, id }: TraceQuestion): Buffer {
  return write(number, Buffer.from(id));
}

function readQuestion(message: Uint8Array): TraceQuestion {
  const { number, second } = read(message);
  return { number, id: second.toString() };
}

function writeAnswer({ number, found }: TraceAnswer): Buffer {
  return write(number, found);
}

function readAnswer(message: Uint8Array): TraceAnswer {
  const { number, second } = read(message);
  return { number, found: second };
}

function write(number: number, second: Buffer): Buffer {
  const writer = protobuf.Writer.create().uint32(NUMBER_TAG).uint32(number);
  if (second.length > 0) writer.uint32(SECOND_TAG).bytes(second);
  return Buffer.from(writer.finish());
}

/** Throws where it is no message. Fields of later versions are passed over. */
function read(message: Uint8Array): { number: number; second: Buffer } {
  const reader = protobuf.Reader.create(message);
  let number = 0;
  let second: Uint8Array = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === NUMBER_TAG) number = reader.uint32();
    else if (tag === SECOND_TAG) second = reader.bytes();
    else reader.skipType(tag & 7);
  }
  return { number, second: Buffer.from(second) };
}
