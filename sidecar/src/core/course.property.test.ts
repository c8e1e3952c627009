import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  begin,
  onDownstreamDrained,
  onDownstreamGone,
  onInterim,
  onRequestBody,
  onRequestEnd,
  onResponseBody,
  onResponseEnd,
  onResponseHead,
  onUpstreamDrained,
  onUpstreamFailed,
  onUpstreamReady,
  onUpstreamUnavailable,
} from './course.ts';
import { acceptsRequestBody } from './exchange.ts';
import { Failure } from './failure.ts';
import { answer, BODY, type Stage, setStage } from './hand-led-exchange.ts';

const REPORTS = [
  ...['ready', 'unavailable', 'requestBody', 'requestEnd', 'interim', 'responseHead', 'responseBody'],
  ...['responseEnd', 'failed', 'gone', 'downstreamDrained', 'upstreamDrained'],
] as const;

/** What a codec may report in this situation; late reports included, since connections learn last that an exchange is over. */
function report(stage: Stage, what: (typeof REPORTS)[number]): void {
  const { exchange } = stage;
  const connected = stage.stream !== null;
  const began = stage.events.includes('head 200');
  const reading = acceptsRequestBody(exchange) && !exchange.requestComplete;
  if (what === 'ready' && stage.opening) onUpstreamReady(exchange, stage.connect(true));
  else if (what === 'unavailable' && stage.opening) {
    stage.opening = false;
    onUpstreamUnavailable(exchange, Failure.connectRefused, '');
  } else if (what === 'requestBody' && reading) onRequestBody(exchange, BODY, 0, BODY.length);
  else if (what === 'requestEnd' && reading) onRequestEnd(exchange, null);
  else if (what === 'interim' && connected && !began) onInterim(exchange, answer(103));
  else if (what === 'responseHead' && connected && !began) onResponseHead(exchange, answer());
  else if (what === 'responseBody' && connected && began) onResponseBody(exchange, BODY, 0, BODY.length);
  else if (what === 'responseEnd' && connected && began) onResponseEnd(exchange, null);
  else if (what === 'failed' && connected) {
    stage.stream = null;
    onUpstreamFailed(exchange, Failure.upstreamReset, '');
  } else if (what === 'gone') onDownstreamGone(exchange, Failure.downstreamAborted);
  else if (what === 'downstreamDrained') onDownstreamDrained(exchange);
  else if (what === 'upstreamDrained' && connected) onUpstreamDrained(exchange);
}

test('whatever is reported, an exchange ends once, and its response is completed, cut off or left to nobody', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.constantFrom(...REPORTS), { maxLength: 30 }), (body, reports) => {
      const stage = setStage([], { requestLine: 'PUT / HTTP/1.1', body });
      begin(stage.exchange);
      for (const what of reports) report(stage, what);
      onDownstreamGone(stage.exchange, Failure.downstreamAborted);
      const { events } = stage;
      const count = (event: RegExp) => events.filter((each) => event.test(each)).length;
      expect([count(/^end$/), count(/^release$/)]).toEqual([1, 1]);
      expect(events.at(-1)).toBe('release');
      const heads = count(/^head [2-5]/);
      const closings = count(/^response end$|^abort response$/);
      expect(heads).toBeLessThanOrEqual(1);
      const left = stage.exchange.failure === Failure.downstreamAborted;
      expect(closings).toBe(left ? 0 : 1);
      // Attempts that were counted for their endpoints are taken back.
      const { balancer } = stage.exchange;
      expect(balancer?.endpoints.map(({ record }) => record.inFlight)).toEqual([0]);
    }),
    { numRuns: 2_000 },
  );
});
