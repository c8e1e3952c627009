/**
 * Sends copies of requests to other services, and forgets the answers.
 *
 * Invariants
 * - Nobody waits for a copy: it is sent when the request is complete, as an exchange of its own whose caller is nobody, and what becomes
 *   of it is seen in metrics and in its span alone.
 * - Copies under way, their bodies and their time are bounded. What does not fit is not mirrored, and counted.
 */
import { begin } from '../../core/course.ts';
import { Exchange, type RequestTap } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Route } from '../../core/route.ts';
import type { RandomWords } from '../../observe/random-words.ts';
import type { RequestHead } from '../../protocol/head.ts';
import { copyRequestHead } from '../../protocol/head-copy.ts';
import type { MirrorSeries } from './metrics.ts';
import { Nobody } from './nobody.ts';

export interface Mirror {
  /** From 0 to 1. */
  readonly share: number;
  readonly route: Route;
  readonly series: MirrorSeries;
}

export class MirrorFilter implements Filter {
  readonly name = 'mirror';
  private readonly mirrors: readonly Mirror[];
  private readonly random: RandomWords;

  constructor(mirrors: readonly Mirror[], random: RandomWords) {
    this.mirrors = mirrors;
    this.random = random;
  }

  /** When the request is as it will be forwarded, but for what one backend alone is told. */
  onPickEndpoint(exchange: Exchange): Verdict {
    let copy: RequestCopy | null = null;
    for (let i = 0; i < this.mirrors.length; i++) {
      const mirror = this.mirrors[i] as Mirror;
      if (!this.chooses(exchange, mirror)) continue;
      mirror.series.active++;
      copy ??= new RequestCopy(exchange);
      copy.mirrors.push(mirror);
    }
    if (copy === null) return CONTINUE;
    // What was held until now is there already.
    for (const bytes of exchange.kept ?? []) copy.onRequestBody(bytes, 0, bytes.length);
    if (exchange.requestComplete) copy.onRequestEnd();
    else exchange.requestTap = copy;
    return CONTINUE;
  }

  /** A request that never was complete is not mirrored. */
  onEnd({ requestTap }: Exchange): void {
    if (requestTap instanceof RequestCopy) requestTap.abandon();
  }

  private chooses({ request }: Exchange, { share, series }: Mirror): boolean {
    if (share < 1 && this.random.nextFraction() >= share) return false;
    if (request.wantsUpgrade) series.skippedUpgrade++;
    else if (series.active >= LIMITS.mirroredExchanges) series.skippedTooMany++;
    else return true;
    return false;
  }
}

/** Collects a request, and sends it when it is complete. */
class RequestCopy implements RequestTap {
  /** Those that wait for it. */
  mirrors: Mirror[] = [];
  private readonly original: Exchange;
  private readonly head: RequestHead;
  private readonly body: Buffer[] = [];
  private bodyBytes = 0;

  constructor(original: Exchange) {
    this.original = original;
    this.head = copyRequestHead(original.request);
  }

  onRequestBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.mirrors.length === 0) return;
    this.bodyBytes += end - start;
    if (this.bodyBytes > LIMITS.mirroredBodyBytes) {
      for (const { series } of this.mirrors) series.skippedTooLarge++;
      this.abandon();
      return;
    }
    this.body.push(Buffer.from(bytes.subarray(start, end)));
  }

  onRequestEnd(): void {
    const { mirrors } = this;
    this.mirrors = [];
    for (const mirror of mirrors) this.send(mirror);
  }

  abandon(): void {
    for (const { series } of this.mirrors) series.active--;
    this.mirrors = [];
    this.body.length = 0;
  }

  private send({ route, series }: Mirror): void {
    const { time, peerIdentity, peerAddress } = this.original;
    // Filters change heads, so each copy has its own.
    const head = copyRequestHead(this.head);
    const exchange = new Exchange(
      route,
      new Nobody(series),
      head,
      time,
      peerIdentity,
      peerAddress,
      time.nowMs,
    );
    exchange.requestComplete = true;
    // As if it had been sent before: the course sends what is kept of a body, as far as it has come.
    exchange.requestBytes = this.bodyBytes;
    exchange.keptBytes = this.bodyBytes;
    exchange.kept = this.body;
    begin(exchange);
  }
}
