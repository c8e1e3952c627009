import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { bindEmitter, bindToCurrent, currentContext, enterContext, missingFields } from './context.ts';
import { guard } from './guard.ts';
import { LIMITS } from './limits.ts';

const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const none = () => false;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  enterContext({});
  vi.useRealTimers();
});

test('a context ends a while after its response, and not before', () => {
  const context = enterContext({ traceparent: TRACEPARENT });
  vi.advanceTimersByTime(10 * LIMITS.contextMs);
  expect(currentContext()).toBe(context);
  const response = new EventEmitter();
  bindToCurrent(response);
  response.emit('close');
  vi.advanceTimersByTime(2 * LIMITS.contextMs);
  expect(currentContext()).toBe(context);
  if (context !== undefined) bindEmitter(response, context, true);
  response.emit('close');
  vi.advanceTimersByTime(LIMITS.contextMs);
  expect(missingFields(false, none)).toEqual([['traceparent', TRACEPARENT]]);
  response.emit('close');
  vi.advanceTimersByTime(1);
  expect(currentContext()).toBeUndefined();
  expect(missingFields(false, none)).toEqual([]);
});

test('fields are handed on as they came, but for those that are too long', () => {
  const baggage = `a=${'x'.repeat(LIMITS.baggageChars - 2)}`;
  enterContext({ traceparent: TRACEPARENT, baggage, tracestate: '', cookie: 'a=1' });
  expect(missingFields(false, none)).toEqual([
    ['traceparent', TRACEPARENT],
    ['baggage', baggage],
  ]);
  enterContext({
    'x-request-id': 'abc',
    baggage: `${baggage}x`,
    traceparent: 'x'.repeat(LIMITS.traceparentChars + 1),
  });
  expect(missingFields(false, none)).toEqual([['x-request-id', 'abc']]);
});

test('listeners run in the context of their emitter, and those outside of it are left alone', () => {
  const first = enterContext({ 'x-request-id': '1' });
  const emitter = new EventEmitter();
  bindToCurrent(emitter);
  const second = enterContext({ 'x-request-id': '2' });
  const seen: unknown[] = [];
  emitter.on('event', (...args) => seen.push(currentContext(), ...args));
  expect(emitter.emit('event', 'a', 'b')).toBe(true);
  expect(emitter.emit('nobody')).toBe(false);
  expect(seen).toEqual([first, 'a', 'b']);
  expect(currentContext()).toBe(second);
  emitter.on('event', () => {
    throw new Error('of the service');
  });
  expect(() => emitter.emit('event')).toThrow('of the service');
});

test('what fails here is not felt by the service', () => {
  const fails = guard(() => {
    throw new Error('of the preload');
  });
  expect(fails).not.toThrow();
});
