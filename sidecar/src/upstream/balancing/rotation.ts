/**
 * The endpoints of a snapshot that may be picked now, followed for one balancer.
 *
 * Invariants: `members` is replaced only when the group's version changes, so that between changes a pick allocates nothing. Below the panic
 * threshold all endpoints are in rotation: too few healthy ones would be overrun, and the reason to distrust the others may be wrong.
 */
import type { Endpoint } from '../endpoint.ts';
import type { EndpointGroup } from '../endpoint-group.ts';

export class Rotation {
  readonly group: EndpointGroup;
  readonly all: readonly Endpoint[];
  members: readonly Endpoint[] = [];
  private version = -1;

  constructor(group: EndpointGroup, all: readonly Endpoint[]) {
    this.group = group;
    this.all = all;
  }

  refresh(): void {
    if (this.version === this.group.version) return;
    this.version = this.group.version;
    this.members = this.all;
  }
}
