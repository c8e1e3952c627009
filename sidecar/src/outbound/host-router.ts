/**
 * Finds the routes of an outbound request by its authority, port ignored, and among them the one for it.
 *
 * Invariants: hosts compare without regard to case. A caller that asks for the same host again and again, as most do, costs a
 * comparison of bytes and no string.
 */
import type { Snapshot } from '../config/snapshot.ts';
import type { Route } from '../core/route.ts';
import type { RequestHead } from '../protocol/head.ts';
import type { RouteTable } from '../routing/route-table.ts';

export class HostRouter {
  private readonly snapshot: () => Snapshot;
  private lastHost: Buffer = Buffer.alloc(0);
  private lastTable: RouteTable | null = null;
  private lastSnapshot: Snapshot | null = null;

  constructor(snapshot: () => Snapshot) {
    this.snapshot = snapshot;
  }

  routeFor(request: RequestHead): Route {
    const snapshot = this.snapshot();
    if (this.lastTable !== null && this.lastSnapshot === snapshot && this.isLastHost(request))
      return this.lastTable.routeFor(request);
    const table = snapshot.outbound.get(hostOf(request.authority));
    if (table === undefined) return snapshot.unrouted;
    this.lastHost = Buffer.from(request.bytes.subarray(request.authorityStart, request.authorityEnd));
    this.lastTable = table;
    this.lastSnapshot = snapshot;
    return table.routeFor(request);
  }

  private isLastHost(request: RequestHead): boolean {
    const { lastHost } = this;
    const { bytes, authorityStart } = request;
    if (request.authorityEnd - authorityStart !== lastHost.length) return false;
    for (let i = 0; i < lastHost.length; i++) if (bytes[authorityStart + i] !== lastHost[i]) return false;
    return true;
  }
}

/** `Example.test:8080` is `example.test`; an IPv6 literal keeps its brackets. */
export function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
  return host.toLowerCase();
}
