/**
 * Tells the caller where the time went before the response head, as Server-Timing (https://www.w3.org/TR/server-timing/): the total as `tulle`, then the
 * phases that took any.
 *
 * Invariants: whoever may not know how the mesh works inside is told nothing. Entries of others stay; ours come as one further line.
 */
import type { Exchange } from '../../core/exchange.ts';
import type { Filter } from '../../core/filter.ts';
import type { Direction } from '../../core/route.ts';
import { writeMilliseconds } from '../../observe/decimal.ts';
import { measurePhases, PHASES } from '../../observe/phases.ts';
import type { ResponseHead } from '../../protocol/head.ts';
import { putBytes } from '../../transport/output.ts';
import type { ServerTimingAudience } from './config.ts';

const PREFIX = Buffer.from('server-timing: ');
const TOTAL = Buffer.from('tulle;dur=');
const ENTRIES = PHASES.map((phase) => Buffer.from(`, tulle-${phase};dur=`));
/** Less reads 0. */
const LEAST_MS = 0.000_5;
const NUMBER_BYTES = 24;

const phases = new Float64Array(PHASES.length);

export class ServerTimingFilter implements Filter {
  readonly name = 'server-timing';
  private readonly tellsStrangers: boolean;
  private readonly description: Buffer;
  private readonly value: Buffer;

  constructor(audience: Exclude<ServerTimingAudience, 'off'>, direction: Direction, service: string) {
    // Nobody but the service itself gets what comes back from others.
    this.tellsStrangers = audience === 'everyone' || direction === 'outbound';
    this.description = Buffer.from(`;desc="${service} ${direction}"`);
    const entries = [TOTAL, this.description, ...ENTRIES];
    this.value = Buffer.alloc(entries.reduce((sum, { length }) => sum + length + NUMBER_BYTES, 0));
  }

  onResponseHead(exchange: Exchange): void {
    if (!this.tellsStrangers && exchange.peerIdentity === '') return;
    const { value } = this;
    const { nowMs } = exchange.time;
    measurePhases(exchange, nowMs, phases);
    let at = writeEntry(value, 0, TOTAL, nowMs - exchange.startedMs);
    at = putBytes(this.description, value, at);
    for (let i = 0; i < phases.length; i++) {
      const ms = phases[i] as number;
      if (ms >= LEAST_MS) at = writeEntry(value, at, ENTRIES[i] as Buffer, ms);
    }
    (exchange.response as ResponseHead).addValue(PREFIX, value, 0, at);
  }
}

function writeEntry(value: Buffer, at: number, name: Buffer, ms: number): number {
  return writeMilliseconds(value, putBytes(name, value, at), ms);
}
