/**
 * Times that most exchanges never spend: made with the first of them, so that the others carry nothing for it.
 *
 * Invariant: each is the sum of intervals that have ended; one that has not begins at its `…SinceMs`, which is 0 while there is none.
 */
import type { Exchange } from './exchange.ts';

/** Milliseconds, and monotonic times in milliseconds. */
export class Waits {
  /** At a limit, until it let the exchange through. */
  limiterMs = 0;
  limiterSinceMs = 0;
  /** For the caller to read on. */
  downstreamMs = 0;
  downstreamSinceMs = 0;
  /** Of `connectMs`, what the handshake of TLS took. */
  tlsMs = 0;
  /** Of the caller's connection, before the exchange began: from accept to the end of the handshake. Only of the first exchange on it. */
  acceptMs = 0;
}

export function beginLimiterWait(exchange: Exchange): void {
  waitsOf(exchange).limiterSinceMs = exchange.time.nowMs;
}

/** For those who were let through; who was not has waited until its end. */
export function endLimiterWait(exchange: Exchange): void {
  const waits = waitsOf(exchange);
  waits.limiterMs += exchange.time.nowMs - waits.limiterSinceMs;
  waits.limiterSinceMs = 0;
}

export function beginDownstreamWait(exchange: Exchange): void {
  const waits = waitsOf(exchange);
  if (waits.downstreamSinceMs === 0) waits.downstreamSinceMs = exchange.time.nowMs;
}

export function endDownstreamWait({ waits, time }: Exchange): void {
  if (waits === null || waits.downstreamSinceMs === 0) return;
  waits.downstreamMs += time.nowMs - waits.downstreamSinceMs;
  waits.downstreamSinceMs = 0;
}

export function noteTls(exchange: Exchange, tlsMs: number): void {
  if (tlsMs > 0) waitsOf(exchange).tlsMs = tlsMs;
  else if (exchange.waits !== null) exchange.waits.tlsMs = 0;
}

/** Only the first exchange on a connection is told what its handshake took. */
export function takeAccept(exchange: Exchange, connection: { acceptMs: number }): void {
  if (connection.acceptMs === 0) return;
  waitsOf(exchange).acceptMs = connection.acceptMs;
  connection.acceptMs = 0;
}

function waitsOf(exchange: Exchange): Waits {
  exchange.waits ??= new Waits();
  return exchange.waits;
}
