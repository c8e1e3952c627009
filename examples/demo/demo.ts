import { setTimeout as sleep } from 'node:timers/promises';
import { paintFor } from '../../mesh/cli/trace/paint.ts';
import { text } from '../../mesh/cli/trace/span.ts';
import type { Trace } from '../../mesh/cli/trace/trace.ts';
import { drawWaterfall } from '../../mesh/cli/trace/waterfall.ts';
import { SIGINT_CODE, watchForEnd } from './ending.ts';
import { limits } from './limits.ts';
import { Mesh } from './mesh.ts';
import { countSeen, findMissing } from './proof.ts';
import { type Answer, STEPS } from './scenario.ts';
import * as screen from './screen.ts';
import type { Topology } from './topology.ts';
import { TraceStore } from './trace-store.ts';
import { TraceWatch } from './trace-watch.ts';

// The demo from start to end. Returns the exit code.
// Invariants: however it ends (done, a signal, a lost child, a failure of its own, a closed terminal), the mesh is stopped before it
// returns, and the reason is said once.

export async function runDemo(options: { once: boolean }): Promise<number> {
  const ending = watchForEnd();
  const show = new Show(options.once, ending.fail);
  let code: number;
  try {
    code = await Promise.race([show.play().catch(afterLostChildren), ending.reached]);
  } catch (error) {
    show.say(['', show.paint('red', error instanceof Error ? error.message : String(error))]);
    code = 1;
  }
  await show.mesh.stop();
  if (!show.isUp || code !== SIGINT_CODE) return code;
  show.say(['', show.paint('dim', 'Stopped; nothing was left behind.')]);
  return 0;
}

/** A request that fails may be the first that is heard of a lost child, which then is the reason to tell. */
async function afterLostChildren(error: unknown): Promise<never> {
  await sleep(limits.lookMs);
  throw error;
}

class Show {
  readonly mesh: Mesh;
  readonly paint = paintFor(process.stdout);
  /** It stays for its user to play with: Ctrl-C is the regular end and interrupts nothing. */
  isUp = false;
  readonly #once: boolean;
  readonly #width = Math.min(120, Math.max(80, process.stdout.columns ?? 100));
  readonly #store = new TraceStore();
  readonly #watch = new TraceWatch(this.#store, limits);

  constructor(once: boolean, onLost: (error: Error) => void) {
    this.#once = once;
    const beganAtMs = performance.now();
    this.mesh = new Mesh({
      onSpans: (spans) => this.#watch.changed(this.#store.add(spans), performance.now()),
      onStarted: (started) =>
        this.say([screen.startedLine(started, performance.now() - beganAtMs, this.paint)]),
      onLost,
    });
  }

  say(lines: readonly string[]): void {
    process.stdout.write(`${lines.join('\n')}\n`);
  }

  async play(): Promise<number> {
    this.say(screen.banner(this.paint));
    const topology = await this.mesh.start();
    const findings = await this.#takeSteps(topology);
    this.say(screen.summary(findings, this.#width, this.paint));
    if (this.#once) return findings.every(({ missing }) => missing.length === 0) ? 0 : 1;
    this.isUp = true;
    this.say(screen.outlook(topology, this.mesh.adminPorts, this.paint));
    return this.#explainForever();
  }

  async #takeSteps(topology: Topology): Promise<screen.Finding[]> {
    const findings: screen.Finding[] = [];
    let answer: Answer | null = null;
    for (const [index, step] of STEPS.entries()) {
      answer = await step.send(topology, answer);
      const { requestId } = answer;
      await this.#waitUntilSettled(requestId);
      const traces = this.#store.traces().filter((trace) => carries(trace, requestId));
      this.say(screen.heading(`${index + 1}/${STEPS.length}  ${step.title}`, this.#width, this.paint));
      for (const trace of traces) this.#draw(trace);
      const missing = findMissing(traces, { ...step.expected, requestId });
      findings.push({ title: step.title, seen: traces.map(countSeen).join(), missing });
    }
    return findings;
  }

  async #waitUntilSettled(requestId: string): Promise<void> {
    const deadlineMs = performance.now() + limits.settleMs;
    while (performance.now() < deadlineMs) {
      await sleep(limits.lookMs);
      const settled = this.#watch.takeSettled(performance.now());
      if (settled.some((trace) => carries(trace, requestId))) return;
    }
  }

  async #explainForever(): Promise<never> {
    const explained = new Set(this.#store.traces().map(({ traceId }) => traceId));
    for (;;) {
      await sleep(limits.lookMs);
      for (const trace of this.#watch.takeSettled(performance.now())) {
        const title = explained.has(trace.traceId)
          ? 'There is more to a request from before'
          : 'A request of yours';
        this.say(screen.heading(title, this.#width, this.paint));
        this.#draw(trace);
        explained.add(trace.traceId);
      }
    }
  }

  #draw(trace: Trace): void {
    this.say(drawWaterfall(trace, { width: this.#width, paint: this.paint }));
  }
}

function carries(trace: Trace, requestId: string): boolean {
  return [...trace.spans.values()].some((span) => text(span, 'tulle.request_id') === requestId);
}
