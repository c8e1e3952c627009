// Every case of the downstream side through a real sidecar, whole and in pieces. Whatever a case does to its connection, the connection
// serves one request more unless it ended as it should, and another connection always does.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FLAG_END_STREAM } from '../../../sidecar/src/protocol/http2/frame.ts';
import { headers, OPENING, RawPeer } from '../../../sidecar/src/protocol/http2/raw-peer.fixture.ts';
import { type Lanes, openLanes } from '../lanes.ts';
import type { Message } from '../message.ts';
import { PROBE_TARGET } from '../origin.ts';
import { writePackets } from '../packets.ts';
import type { Lane } from '../run-case.ts';
import { type SplitPlan, seededPlan, seedOf, WHOLE } from '../split.ts';
import { type DownstreamCase, type Expectation, pseudo } from './case.ts';
import { bodies, fields, pseudoHeaders, tunnels } from './downstream-fields.ts';
import {
  dataFrames,
  frames,
  headerFrames,
  otherFrames,
  preface,
  settingsFrames,
  windows,
} from './downstream-frames.ts';

const themes = {
  preface,
  frames,
  dataFrames,
  headerFrames,
  otherFrames,
  settingsFrames,
  windows,
  pseudoHeaders,
  fields,
  bodies,
  tunnels,
};
const PROBE_STREAM = 0x7fff_ff01;
/** How long a case is given to show that nothing follows. */
const QUIET_MS = 300;

let lanes: Lanes;

beforeAll(async () => {
  lanes = await openLanes(2);
});

afterAll(() => lanes.close());

describe.each(Object.entries(themes))('%s', (_theme, cases) => {
  it.each(cases.map((testCase) => [testCase.id, testCase] as const))('%s', async (_id, testCase) => {
    const plans = [WHOLE, seededPlan(seedOf(testCase.id))];
    const found = await Promise.all(
      plans.map(async (plan, i) => {
        const differences = await play(lanes.lanes[i] as Lane, testCase, plan);
        return differences.map((difference) => `[${plan.name}] ${difference}`);
      }),
    );
    expect(found.flat(), testCase.why).toEqual([]);
  });
});

it('has at least 120 cases, each with a reason and an id of its own', () => {
  const all = Object.values(themes).flat();
  expect(all.length).toBeGreaterThanOrEqual(120);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(all.filter(({ why }) => why === '')).toEqual([]);
});

async function play(lane: Lane, testCase: DownstreamCase, plan: SplitPlan): Promise<string[]> {
  const { origin, activity } = lane;
  origin.begin({ answers: [], tunnel: null, plan: WHOLE });
  const client = await RawPeer.connect(lane.port, null);
  const { expect: wanted, opening = OPENING } = testCase;
  const bytes = Buffer.concat([opening, ...testCase.send]);
  await writePackets(client.socket, bytes.toString('latin1'), plan, () => client.ended);
  const outcome = await watch(client, wanted);
  await activity.until(() => origin.received.length >= wanted.forwarded, QUIET_MS * 10);
  if (wanted.goaway === undefined) outcome.push(...(await probe(client, 'the same connection')));
  client.destroy();
  const other = await RawPeer.connect(lane.port);
  outcome.push(...(await probe(other, 'a new connection')));
  other.destroy();
  outcome.push(...origin.violations.map((violation) => `origin: ${violation}`));
  const { forwarded, atMost = forwarded } = wanted;
  if (origin.received.length < forwarded || origin.received.length > atMost)
    outcome.push(`the origin got ${origin.received.length} requests: ${JSON.stringify(origin.received)}`);
  if (wanted.request && origin.received[0]) outcome.push(...compare(origin.received[0], wanted.request));
  await origin.settle();
  return outcome;
}

/** Waits for what must come; names what came otherwise. */
async function watch(client: RawPeer, wanted: Expectation): Promise<string[]> {
  const differences: string[] = [];
  const wait = async (condition: () => boolean, what: string) => {
    await client.until(condition, what).catch((error: Error) => differences.push(error.message));
  };
  if (wanted.goaway !== undefined) {
    await wait(() => client.ended, 'the end of the connection');
    if (!wanted.goaway.includes(client.goawayCode))
      differences.push(`GOAWAY ${client.goawayCode} instead of ${wanted.goaway}`);
  } else {
    if (client.goawayCode !== -1) differences.push(`GOAWAY ${client.goawayCode}: ${client.describe()}`);
  }
  for (const [id, codes] of Object.entries(wanted.resets ?? {})) {
    await wait(() => client.resetCode(Number(id)) !== -1, `RST_STREAM of stream ${id}`);
    if (!codes.includes(client.resetCode(Number(id))))
      differences.push(`stream ${id} was reset with ${client.resetCode(Number(id))} instead of ${codes}`);
  }
  for (const [id, status] of Object.entries(wanted.statuses ?? {})) {
    await wait(() => client.isComplete(Number(id)) || client.resetCode(Number(id)) !== -1, `stream ${id}`);
    if (client.status(Number(id)) !== status)
      differences.push(`stream ${id} was answered with ${client.status(Number(id))}: ${client.describe()}`);
  }
  return differences;
}

let probes = 0;

async function probe(client: RawPeer, name: string): Promise<string[]> {
  const target = `${PROBE_TARGET}h2-${++probes}`;
  client.send(headers(PROBE_STREAM, pseudo({ ':path': target }), FLAG_END_STREAM));
  try {
    await client.until(() => client.ended || client.isComplete(PROBE_STREAM), `the answer on ${name}`);
  } catch (error) {
    return [(error as Error).message];
  }
  const body = client.body(PROBE_STREAM).toString();
  return body === target ? [] : [`the next request on ${name} was answered with '${body}'`];
}

function compare(message: Message, wanted: NonNullable<Expectation['request']>): string[] {
  const differences: string[] = [];
  const [method, target] = message.startLine.split(' ');
  const check = (what: string, seen: unknown, expected: unknown) => {
    if (expected !== undefined && seen !== expected)
      differences.push(`${what} is ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
  };
  check('method', method, wanted.method);
  check('target', target, wanted.target);
  check('body', message.body, wanted.body);
  for (const [name, value] of Object.entries(wanted.fields ?? {})) {
    const values = message.fields
      .filter((field) => field.name.toLowerCase() === name)
      .map(({ value: seen }) => seen);
    check(`number of ${name}`, values.length, value === null ? 0 : 1);
    if (value !== null) check(name, values[0], value);
  }
  return differences;
}
