/**
 * Alertmanager's config (0.25 and newer) from receivers.yaml: for each team a receiver by severity, and by service where others are told besides.
 */
import { INHIBITIONS } from './inhibitions.ts';
import type { Grouping, Notifier, Receivers } from './receivers.ts';

const MUTE = 'nobody-is-there';

/** The content of the config. */
export function toAlertmanagerConfig(receivers: Receivers): object {
  const { teams, fallback, watchdog, grouping, muteTickets } = receivers;
  const made = new Map<string, readonly string[]>([['watchdog', [watchdog]]]);
  const routeTo = (name: string, notifiers: readonly string[]): string => {
    made.set(name, [...new Set(notifiers)]);
    return name;
  };
  const mutingOf = (severity: string) =>
    severity === 'ticket' && muteTickets !== undefined && { mute_time_intervals: [MUTE] };
  const routes = Object.entries(teams).flatMap(([team, { page, ticket, services }]) =>
    (
      [
        ['page', page],
        ['ticket', ticket],
      ] as const
    ).map(([severity, notifiers]) => ({
      receiver: routeTo(`${team}-${severity}`, notifiers),
      // A team that nobody knows is the fallback's.
      matchers: [
        team === fallback ? `team!~${quote(others(receivers))}` : `team=${quote(team)}`,
        // What says nothing of how urgent it is waits for the working day.
        severity === 'page' ? `severity="page"` : `severity!="page"`,
      ],
      ...groupingOf(grouping[severity]),
      ...mutingOf(severity),
      routes: Object.entries(services).map(([service, besides]) => ({
        receiver: routeTo(`${team}-${severity}-${service}`, [...notifiers, ...besides]),
        matchers: [`service_name=${quote(service)}`],
        ...mutingOf(severity),
      })),
    })),
  );
  return {
    route: {
      receiver: `${fallback}-page`,
      ...groupingOf(grouping.page),
      routes: [
        {
          receiver: 'watchdog',
          matchers: [`alertname="Watchdog"`],
          ...groupingOf({ by: ['alertname', 'cluster'], wait: '0s', interval: '1m', repeat: '1m' }),
        },
        ...routes,
      ],
    },
    inhibit_rules: INHIBITIONS.map(({ source, targets, equal = [] }) => ({
      source_matchers: [`alertname=${quote(source)}`],
      target_matchers: [`alertname=~${quote(targets.join('|'))}`],
      equal: ['cluster', ...equal],
    })),
    ...(muteTickets !== undefined && { time_intervals: [muteInterval(muteTickets)] }),
    receivers: Array.from(made, ([name, notifiers]) => toReceiver(name, notifiers, receivers)),
  };
}

function others({ teams, fallback }: Receivers): string {
  return Object.keys(teams)
    .filter((team) => team !== fallback)
    .join('|');
}

function groupingOf({ by, wait, interval, repeat }: Grouping): object {
  return { group_by: by, group_wait: wait, group_interval: interval, repeat_interval: repeat };
}

function muteInterval({ location, times }: NonNullable<Receivers['muteTickets']>): object {
  const time_intervals = times.map(({ weekdays, times: hours }) => ({
    location,
    ...(weekdays && { weekdays }),
    ...(hours && { times: hours.map(({ from, to }) => ({ start_time: from, end_time: to })) }),
  }));
  return { name: MUTE, time_intervals };
}

function toReceiver(name: string, notifiers: readonly string[], receivers: Receivers): object {
  const lists: Record<string, object[]> = {};
  for (const notifier of notifiers) {
    const [kind, config] = toIntegration(receivers.notifiers[notifier] as Notifier, receivers.secretsFolder);
    lists[kind] = [...(lists[kind] ?? []), config];
  }
  return { name, ...lists };
}

const SUMMARIES = '{{ range .Alerts }}{{ .Annotations.summary }}\n{{ end }}';
const DETAILS =
  '{{ range .Alerts }}{{ .Annotations.description }}\nRunbook: {{ .Annotations.runbook_url }}\nDashboard: {{ .Annotations.dashboard_url }}\n{{ end }}';
const TITLE =
  '{{ if eq .Status "resolved" }}Resolved: {{ end }}{{ (index .Alerts 0).Annotations.summary }}{{ if gt (len .Alerts) 1 }} (and {{ len (slice .Alerts 1) }} more){{ end }}';

/** The list of a receiver that it belongs to, and what stands there. https://prometheus.io/docs/alerting/latest/configuration/ */
function toIntegration(notifier: Notifier, folder: string): [string, object] {
  const file = (name: string) => `${folder}/${name}`;
  const { pagerDuty, opsgenie, slack, email, webhook } = notifier;
  if (pagerDuty !== undefined)
    return [
      'pagerduty_configs',
      {
        routing_key_file: file(pagerDuty.routingKeyFile),
        ...(pagerDuty.url !== undefined && { url: pagerDuty.url }),
        description: TITLE,
        severity: 'critical',
        component: '{{ .CommonLabels.service_name }}',
        class: '{{ .CommonLabels.alertname }}',
        details: { alerts: SUMMARIES, help: DETAILS },
        links: [
          { href: '{{ (index .Alerts 0).Annotations.runbook_url }}', text: 'Runbook' },
          { href: '{{ (index .Alerts 0).Annotations.dashboard_url }}', text: 'Dashboard' },
        ],
      },
    ];
  if (opsgenie !== undefined)
    return [
      'opsgenie_configs',
      {
        api_key_file: file(opsgenie.apiKeyFile),
        ...(opsgenie.apiUrl !== undefined && { api_url: opsgenie.apiUrl }),
        message: TITLE,
        description: DETAILS,
        priority: '{{ if eq .CommonLabels.severity "page" }}P1{{ else }}P3{{ end }}',
        tags: '{{ .CommonLabels.alertname }},{{ .CommonLabels.team }}',
      },
    ];
  if (slack !== undefined)
    return [
      'slack_configs',
      {
        api_url_file: file(slack.apiUrlFile),
        channel: slack.channel,
        send_resolved: true,
        title: TITLE,
        title_link: '{{ (index .Alerts 0).Annotations.runbook_url }}',
        text: DETAILS,
        footer: '{{ .CommonLabels.alertname }}',
      },
    ];
  if (email !== undefined)
    return [
      'email_configs',
      {
        to: email.to,
        from: email.from,
        smarthost: email.smarthost,
        auth_username: email.username,
        auth_password_file: file(email.passwordFile),
        send_resolved: true,
        headers: { Subject: TITLE },
      },
    ];
  // The schema lets none pass that has no way at all.
  const { url, tokenFile } = webhook as NonNullable<typeof webhook>;
  const authorization = tokenFile !== undefined && { authorization: { credentials_file: file(tokenFile) } };
  return [
    'webhook_configs',
    { url, send_resolved: true, ...(authorization && { http_config: authorization }) },
  ];
}

/** Strings of matchers escape as those of JSON do. */
function quote(text: string): string {
  return JSON.stringify(text);
}
