import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OtlpReceiver, startOtlpReceiver } from '../../../examples/demo/otlp-receiver.ts';
import { type Sidecar, startSidecar } from '../../../sidecar/src/app.ts';
import { PROTOCOL_ERROR } from '../../../sidecar/src/protocol/http2/frame.ts';
import { RawPeer } from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import { createFolder, type Folder, sidecarConfig } from '../../e2e/mesh-fixture.ts';
import { get } from '../http2/case.ts';
import { CASES, type Field, PARENT_ID, TRACE_ID } from './cases.ts';

/** Answers with the fields that it got, as JSON. */
const origin = http.createServer((request, response) => response.end(JSON.stringify(request.rawHeaders)));
let folder: Folder;
let receiver: OtlpReceiver;
let sidecar: Sidecar;

beforeAll(async () => {
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  folder = await createFolder();
  receiver = await startOtlpReceiver(() => {});
  const target = `127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const configPath = await folder.write(
    'sidecar.yaml',
    sidecarConfig('participant', {
      inbound: [{ name: 'http', listen: '127.0.0.1:0', mtls: 'off', target }],
      outbound: { listen: '127.0.0.1:0', services: [{ host: 'a.test', mtls: 'off', endpoints: [target] }] },
      telemetry: {
        accessLog: 'off',
        traces: { endpoint: `http://127.0.0.1:${receiver.port}`, headSampleRatio: 0 },
      },
    }),
  );
  sidecar = await startSidecar({ configPath });
});

afterAll(async () => {
  await sidecar.drain();
  await receiver.close();
  origin.closeAllConnections();
  origin.close();
  await folder.remove();
});

describe.each([
  ['a stranger', () => sidecar.inboundPorts.http as number],
  ['the own service', () => sidecar.outboundPort as number],
])('of %s', (_who, port) => {
  describe.each([
    ['HTTP/1.1', sendHttp1],
    ['HTTP/2', sendHttp2],
  ])('over %s', (protocol, send) => {
    test.each(CASES.map((entry) => ({ ...entry, sent: describeFields(entry.fields) })))(
      '$id: $sent',
      async (entry) => {
        const { fields, expect: expected } = entry;
        const [seen] = await send(port(), [fields]);
        if (protocol === 'HTTP/2' && !fields.every(isHttp2Field)) {
          expect(seen).toBeNull();
          return;
        }
        const { traceId, parentId, flags } = contextOf(seen);
        if (expected === 'restarted') {
          expect(traceId).not.toBe(TRACE_ID);
          expect(valuesOf(seen, 'tracestate')).toEqual([]);
          expect(flags).toBe(2);
          return;
        }
        expect(traceId).toBe(TRACE_ID);
        expect(parentId).not.toBe(PARENT_ID);
        expect(membersOf(seen)).toEqual(expected.tracestate);
        // Whoever made the id knows whether it is random, and no flag is passed on that is not understood.
        const sentFlags = Number.parseInt(fields[0]?.[1].trim().slice(53, 55) ?? '', 16);
        expect(flags & ~1).toBe(sentFlags & 2);
        if (port() === sidecar.outboundPort) expect(flags & 1).toBe(sentFlags & 1);
      },
    );

    test.each<[string, Field[]]>([
      ['with_valid_traceparent', [['traceparent', `00-${TRACE_ID}-${PARENT_ID}-01`]]],
      ['without_traceparent', []],
      ['with_illegal_traceparent', [['traceparent', `00-${'0'.repeat(32)}-${PARENT_ID}-01`]]],
    ])('multiple_requests_%s', async (id, fields) => {
      const contexts = (await send(port(), [fields, fields, fields])).map(contextOf);
      expect(new Set(contexts.map(({ parentId }) => parentId)).size).toBe(3);
      const traceIds = new Set(contexts.map(({ traceId }) => traceId));
      if (id === 'with_valid_traceparent') expect(traceIds).toEqual(new Set([TRACE_ID]));
      else expect(traceIds.size).toBe(3);
    });
  });
});

type Seen = Field[] | null;

/** The one traceparent that reached the origin. */
function contextOf(seen: Seen | undefined) {
  const values = valuesOf(seen, 'traceparent');
  expect(values).toHaveLength(1);
  const match = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/.exec(values[0] ?? '');
  expect(match).not.toBeNull();
  const [, traceId, parentId, flags = ''] = match as RegExpExecArray;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) };
}

function membersOf(seen: Seen | undefined): string[] {
  const lines = valuesOf(seen, 'tracestate');
  for (const line of lines) expect(line).not.toBe('');
  return lines
    .join(',')
    .split(/[ \t]*,[ \t]*/)
    .filter((member) => member !== '');
}

function valuesOf(seen: Seen | undefined, name: string): string[] {
  return (seen ?? []).filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
}

/** RFC 9113 section 8.2.1: there, some of what is to be tolerated makes a request malformed. */
function isHttp2Field([name, value]: Field): boolean {
  return name === name.toLowerCase() && value === value.replace(/^[ \t]+|[ \t]+$/g, '');
}

function describeFields(fields: readonly Field[]): string {
  return JSON.stringify(fields.map(([name, value]) => `${name}: ${value.slice(0, 80)}`).slice(0, 4));
}

/** One request after the other on one connection; what the origin saw of each. */
async function sendHttp1(port: number, requests: readonly (readonly Field[])[]): Promise<Seen[]> {
  const socket = net.connect(port, '127.0.0.1');
  const all: Seen[] = [];
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  for (const fields of requests) {
    text = '';
    const lines = [['Host', 'a.test'] as const, ...fields].map(([name, value]) => `${name}:${value}\r\n`);
    socket.write(`GET / HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
    while (!/\r\n\r\n.*\]/s.test(text)) await once(socket, 'data');
    all.push(pairsOf(text.slice(text.indexOf('[', text.indexOf('\r\n\r\n')), text.lastIndexOf(']') + 1)));
  }
  socket.destroy();
  return all;
}

/** Null where the stream was refused. */
async function sendHttp2(port: number, requests: readonly (readonly Field[])[]): Promise<Seen[]> {
  const peer = await RawPeer.connect(port);
  const all: Seen[] = [];
  for (const [index, fields] of requests.entries()) {
    const streamId = index * 2 + 1;
    peer.send(get(streamId, fields as [string, string][]));
    await peer.until(() => peer.isComplete(streamId) || peer.resetCode(streamId) !== -1, 'an answer');
    const code = peer.resetCode(streamId);
    if (code !== -1) expect(code).toBe(PROTOCOL_ERROR);
    all.push(code === -1 ? pairsOf(peer.body(streamId).toString('latin1')) : null);
  }
  peer.destroy();
  return all;
}

function pairsOf(json: string): Field[] {
  const flat = JSON.parse(json) as string[];
  return Array.from({ length: flat.length / 2 }, (_, i): Field => [flat[2 * i] ?? '', flat[2 * i + 1] ?? '']);
}
