// Plays one case over real sockets and tells what differs from its verdict. Whatever the case is about, four things always hold:
// the origin only ever sees strict HTTP/1.1; the client does too; a connection ends exactly when that was announced; and one that
// stays open still serves the next request, with nothing of this case left in it.

import type { Activity } from './activity.ts';
import type { Answer, Case } from './case.ts';
import { Client, type Received } from './client.ts';
import { compareRequests, compareResponses } from './compare.ts';
import { describeMessage, describeResponse } from './describe.ts';
import { type Message, membersOf, type ResponseSequence, readRequest, readResponse } from './message.ts';
import { DEFAULT_ANSWER, type Origin, PROBE_TARGET } from './origin.ts';
import { type SplitPlan, WHOLE } from './split.ts';
import { printable } from './wire.ts';

/** A listener of the proxy and the origin behind it. One case at a time runs on a lane, so all the origin sees is of that case. */
export interface Lane {
  /** Port of the proxy's listener. */
  port: number;
  origin: Origin;
  activity: Activity;
}

export interface Outcome {
  /** From the verdict; none when the case holds. */
  differences: string[];
  /** Requests at the origin and responses at the client, without what is new in every exchange. Must not depend on the plan. */
  seen: string[];
}

export async function runCase(lane: Lane, testCase: Case, plan: SplitPlan): Promise<Outcome> {
  const play = new Play(lane, testCase, plan);
  await play.run();
  return { differences: play.differences, seen: play.seen };
}

let probes = 0;

class Play {
  readonly differences: string[] = [];
  seen: string[] = [];
  readonly #lane: Lane;
  readonly #case: Case;
  readonly #plan: SplitPlan;
  readonly #client: Client;
  readonly #sent: (Message | null)[];
  readonly #toHead: boolean[];

  constructor(lane: Lane, testCase: Case, plan: SplitPlan) {
    const { responses, upstream } = testCase.expect;
    this.#lane = lane;
    this.#case = testCase;
    this.#plan = plan;
    this.#sent = readSent(testCase, Math.max(upstream?.length ?? 0, responses.length));
    this.#toHead = responses.map(
      ({ toHead }, i) => toHead ?? this.#sent[i]?.startLine.startsWith('HEAD ') ?? false,
    );
    lane.origin.begin({ answers: testCase.answers ?? [], tunnel: testCase.tunnel ?? null, plan });
    this.#client = new Client(lane.port, lane.activity);
  }

  async run(): Promise<void> {
    const { origin } = this.#lane;
    await this.#send();
    await this.#receive();
    if (this.#case.tunnel) await this.#checkTunnel(this.#case.tunnel);
    else await this.#checkConnection();
    await this.#client.close();
    // Once this one is answered, whatever the proxy sent upstream before it has arrived at the origin as well.
    await this.#probe(new Client(this.#lane.port, this.#lane.activity), 'a new connection', true);
    await origin.settle();

    this.differences.push(...origin.violations);
    if (origin.partials.length > 0 && this.#case.expect.upstream && !this.#case.expect.partial) {
      this.differences.push(
        `the origin received a message that breaks off: ${printable(origin.partials.join('⏎'))}`,
      );
    }
    this.differences.push(...compareRequests(origin.received, this.#sent, this.#case.expect));
    this.seen = [...origin.received.map(describeMessage), ...this.#read().responses.map(describeResponse)];
  }

  async #send(): Promise<void> {
    const { origin, activity } = this.#lane;
    const { send, halfClose, sendsFirst } = this.#case;
    let responses = 0;
    if (sendsFirst) this.#client.stopReading();
    for (const step of typeof send === 'string' ? [send] : send) {
      if (typeof step === 'string') {
        await this.#client.send(step, this.#plan);
        continue;
      }
      if (step.until === 'response') responses++;
      const came = await activity.until(() => {
        if (step.until === 'upstream-head') return origin.heads > 0;
        const received = this.#read();
        if (step.until === 'response') return received.responses.length >= responses;
        return (received.partial?.interim.length ?? 0) > 0;
      });
      if (!came) this.differences.push(`waited in vain for: ${step.until}`);
    }
    if (sendsFirst) await this.#client.readWhenSent();
    if (halfClose) this.#client.halfClose();
  }

  /** Waits for the responses, and for the origin to have said all it has to say. */
  async #receive(): Promise<void> {
    const { origin, activity } = this.#lane;
    const { answers } = this.#case;
    await activity.until(() => {
      const { invalid, responses } = this.#read();
      return this.#client.ended || invalid !== null || responses.length === this.#toHead.length;
    });
    const late = answers?.find(
      (answer): answer is Answer => typeof answer !== 'string' && answer.late !== undefined,
    );
    await origin.finishSending(late?.late ?? null);
  }

  async #checkConnection(): Promise<void> {
    const { expect, halfClose } = this.#case;
    const received = this.#read();
    const announced = received.responses.some(({ final }) =>
      membersOf(final.fields, 'connection').includes('close'),
    );
    const shouldClose =
      expect.connection === 'closed' || (expect.connection === 'either' && (announced || this.#client.ended));
    if (shouldClose) {
      const closed = await this.#lane.activity.until(() => this.#client.ended);
      const speaksOld = this.#sent.some((message) => message?.startLine.endsWith('HTTP/1.0'));
      const complete = received.responses.length === this.#toHead.length && this.#toHead.length > 0;
      if (!closed) this.differences.push('the connection stays open');
      else if (complete && !announced && !halfClose && !speaksOld) {
        this.differences.push('the connection was closed without Connection: close');
      }
    }
    this.#compareResponses();
    if (shouldClose) return;
    if (announced) this.differences.push('Connection: close, where the connection could stay open');
    else await this.#probe(this.#client, 'the same connection', false);
  }

  async #checkTunnel({ up, down }: { up: string; down: string }): Promise<void> {
    const { origin, activity } = this.#lane;
    await this.#client.send(up, this.#plan);
    await activity.until(() => this.#client.ended || this.#read().rest.length >= down.length);
    if (origin.tunnelled !== up)
      this.differences.push(`the origin got through the tunnel: ${printable(origin.tunnelled)}`);
    const { rest } = this.#read();
    if (rest !== down) this.differences.push(`the client got through the tunnel: ${printable(rest)}`);
    this.#compareResponses();
  }

  /** Asks a connection for one more exchange, which must be answered as if nothing had been before it. */
  async #probe(client: Client, name: string, close: boolean): Promise<void> {
    const target = `${PROBE_TARGET}${++probes}`;
    const from = client.bytes.length;
    const read = () => client.read([false], from).responses;
    await client.send(`GET ${target} HTTP/1.1\r\nHost: probe.test\r\n\r\n`, WHOLE);
    await this.#lane.activity.until(() => client.ended || read().length === 1);
    if (read()[0]?.final.body !== target) {
      const answer = printable(client.bytes.slice(from)) || 'nothing';
      this.differences.push(`the next request on ${name} was answered with ${answer}`);
    }
    if (close) await client.close();
  }

  #compareResponses(): void {
    const { answers, expect, tunnel } = this.#case;
    const received = this.#read();
    const { bytes, reset } = this.#client;
    if (received.invalid)
      this.differences.push(`the client received an invalid response: ${received.invalid}`);
    const restIsExpected = tunnel !== undefined || expect.responses.some(({ broken }) => broken);
    if (received.rest !== '' && !restIsExpected && !(expect.refusable && isRefusal(received.rest))) {
      this.differences.push(`the client received more than it should: ${printable(received.rest)}`);
    }
    const script = scriptedResponses(answers ?? [], this.#toHead);
    this.differences.push(...compareResponses(received, script, expect, { bytes, reset, sent: this.#sent }));
  }

  #read(): Received {
    return this.#client.read(this.#toHead);
  }
}

function isRefusal(bytes: string): boolean {
  const reading = readResponse(bytes, 0, { toHead: false, ended: true });
  return reading.state === 'complete' && reading.next === bytes.length && /^HTTP\/1\.1 4/.test(bytes);
}

/** The messages a case sends, as far as they are valid and needed. */
function readSent({ send }: Case, count: number): (Message | null)[] {
  const bytes = (typeof send === 'string' ? [send] : send)
    .filter((step) => typeof step === 'string')
    .join('');
  const messages: (Message | null)[] = [];
  let at = 0;
  while (messages.length < count) {
    // One empty line in front is tolerated (RFC 9112 2.2).
    if (bytes.startsWith('\r\n', at)) at += 2;
    const reading = readRequest(bytes, at);
    messages.push(reading.state === 'complete' ? reading.value : null);
    if (reading.state !== 'complete') break;
    at = reading.next;
  }
  return messages;
}

function scriptedResponses(
  answers: NonNullable<Case['answers']>,
  toHead: boolean[],
): (ResponseSequence | null)[] {
  return toHead.map((head, i) => {
    const answer = answers[Math.min(i, answers.length - 1)] ?? DEFAULT_ANSWER;
    const bytes = typeof answer === 'string' ? answer : (answer.atHead ?? '') + answer.bytes;
    const reading = readResponse(bytes, 0, { toHead: head, ended: true });
    if (reading.state === 'complete') return reading.value;
    return reading.state === 'incomplete' ? reading.partial : null;
  });
}
