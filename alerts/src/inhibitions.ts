/**
 * Which alerts say nothing new while another fires: what it is the cause of, in the same cluster.
 */

export interface Inhibition {
  readonly source: string;
  readonly targets: readonly string[];
  /** Labels that both have to have alike, besides the cluster. */
  readonly equal?: readonly string[];
}

const WAITING = ['QueueStalls', 'QueueBacklog', 'DeadLetters'] as const;

export const INHIBITIONS: readonly Inhibition[] = [
  {
    source: 'MeshFails',
    targets: [
      'ErrorBudgetBurnsFast',
      'ErrorBudgetBurnsSlowly',
      'NoEndpointAvailable',
      'EndpointsEjected',
      ...WAITING,
    ],
  },
  { source: 'RedisAway', targets: [...WAITING, 'RateLimitStoreAway'] },
  { source: 'ErrorBudgetBurnsFast', targets: ['ErrorBudgetBurnsSlowly'], equal: ['slo'] },
  { source: 'NoEndpointAvailable', targets: ['EndpointsEjected'], equal: ['service_name', 'upstream'] },
  { source: 'QueueStalls', targets: ['QueueBacklog'], equal: ['queue'] },
  // It has longer to go until certificates end than the pager; both of its effects follow.
  { source: 'IssuerAway', targets: ['AuthorityAway'] },
];
