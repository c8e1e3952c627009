/**
 * The SVID in use now and those who want to hear of the next one: an `Identity` whose source pushes new SVIDs in.
 *
 * Invariants: it is replaced as a whole and never after `stop`. A listener that throws keeps neither the other listeners nor the
 * rotation from going on.
 */
import type { Identity, IdentityDeps } from './identity.ts';
import type { Svid } from './svid.ts';

export class LiveSvid implements Identity {
  private current: Svid;
  private readonly report: IdentityDeps['report'];
  private readonly listeners = new Set<(svid: Svid) => void>();
  private readonly stopping = new AbortController();

  constructor(first: Svid, report: IdentityDeps['report']) {
    this.current = first;
    this.report = report;
  }

  get svid(): Svid {
    return this.current;
  }

  get stopped(): AbortSignal {
    return this.stopping.signal;
  }

  onRotated(listener: (svid: Svid) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  replace(svid: Svid): void {
    if (this.stopped.aborted) return;
    this.current = svid;
    this.report({ kind: 'rotated', spiffeId: svid.spiffeId, notAfterMs: svid.notAfterMs });
    for (const listener of this.listeners) {
      try {
        listener(svid);
      } catch (error) {
        this.report({ kind: 'listener_failed', reason: String(error) });
      }
    }
  }

  stop(): void {
    this.stopping.abort();
    this.listeners.clear();
  }
}
