// Where each alert goes, by its labels; a row at least for every alert.

export interface RoutingCase {
  readonly labels: Readonly<Record<string, string>>;
  readonly receiver: string;
}

const mesh = (alertname: string, severity: string): RoutingCase => ({
  labels: { alertname, severity, team: 'mesh', service_name: 'orders' },
  receiver: `mesh-${severity}`,
});
const platform = (alertname: string, severity: string): RoutingCase => ({
  labels: { alertname, severity, team: 'platform', queue: 'workflow-runs' },
  receiver: `platform-${severity}`,
});
const burns = (alertname: string, severity: string, service_name: string, receiver: string): RoutingCase => ({
  labels: { alertname, severity, team: 'platform', service_name, slo: `${service_name}-availability` },
  receiver,
});

export const ROUTING_CASES: readonly RoutingCase[] = [
  { labels: { alertname: 'Watchdog', severity: 'none', team: 'mesh' }, receiver: 'watchdog' },
  mesh('MeshFails', 'page'),
  mesh('ScrapeFails', 'ticket'),
  mesh('ConfigRejected', 'ticket'),
  mesh('NoEndpointAvailable', 'page'),
  mesh('EndpointsEjected', 'ticket'),
  mesh('RateLimitStoreAway', 'ticket'),
  mesh('RateLimitOverflow', 'ticket'),
  mesh('WafSurge', 'ticket'),
  mesh('EventLoopStalls', 'ticket'),
  mesh('SpansDropped', 'ticket'),
  mesh('LogLinesDropped', 'ticket'),
  mesh('CertificateExpires', 'page'),
  mesh('RootExpires', 'ticket'),
  mesh('AuthorityAway', 'ticket'),
  mesh('IssuerAway', 'page'),
  mesh('ControlPlaneAway', 'ticket'),
  mesh('VaultAway', 'ticket'),
  mesh('SecretExpires', 'page'),
  platform('RedisAway', 'page'),
  platform('QueueStalls', 'page'),
  platform('QueueBacklog', 'ticket'),
  platform('DeadLetters', 'ticket'),
  burns('ErrorBudgetBurnsFast', 'page', 'gateway', 'platform-page-gateway'),
  burns('ErrorBudgetBurnsFast', 'page', 'workflow-worker', 'platform-page'),
  burns('ErrorBudgetBurnsSlowly', 'ticket', 'gateway', 'platform-ticket-gateway'),
  burns('ErrorBudgetBurnsSlowly', 'ticket', 'webhook-dispatcher', 'platform-ticket'),
  // What nobody has thought of still reaches somebody.
  { labels: { alertname: 'Other', severity: 'page', team: 'nobody' }, receiver: 'mesh-page' },
  { labels: { alertname: 'Other', severity: 'page' }, receiver: 'mesh-page' },
  { labels: { alertname: 'Other', severity: 'warning', team: 'platform' }, receiver: 'platform-ticket' },
  { labels: { alertname: 'Other' }, receiver: 'mesh-ticket' },
];
