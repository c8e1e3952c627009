/**
 * The one call and the one message of mesh/control/traces.proto.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/minimal.js';
import { BYTES, tagOf } from '../wire-type.ts';

const TRACE_IDS_TAG = tagOf(1, BYTES);

export const SHARE: MethodDefinition<Buffer, Buffer> = {
  path: '/tulle.control.v1.Traces/Share',
  requestStream: true,
  responseStream: true,
  requestSerialize: writeKeptTraces,
  requestDeserialize: readKeptTraces,
  responseSerialize: writeKeptTraces,
  responseDeserialize: readKeptTraces,
};

export function writeKeptTraces(ids: Uint8Array): Buffer {
  return Buffer.from(protobuf.Writer.create().uint32(TRACE_IDS_TAG).bytes(ids).finish());
}

/** Throws where it is no message. Fields of later versions are passed over. */
export function readKeptTraces(message: Uint8Array): Buffer {
  const reader = protobuf.Reader.create(message);
  let ids: Uint8Array = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === TRACE_IDS_TAG) ids = reader.bytes();
    else reader.skipType(tag & 7);
  }
  return Buffer.from(ids);
}
