/**
 * Who is told of what: by amtool for each alert, and by a real Alertmanager whose messages arrive at services of ours.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Alertmanager,
  type PostedAlert,
  runAmtool,
  startAlertmanager,
} from '../../test/parts/alertmanager.ts';
import { toAlertmanagerConfig } from '../src/alertmanager.ts';
import { groupFiles, readAlertData, readReceivers } from '../src/files.ts';
import { INHIBITIONS } from '../src/inhibitions.ts';
import type { Receivers } from '../src/receivers.ts';
import { reachLocally } from './local-receivers.ts';
import { openPager, type Pager } from './pager.ts';
import { ROUTING_CASES } from './routing.cases.ts';

const receivers = await readReceivers();
const groups = [...groupFiles(await readAlertData()).values()].flat();
const alerts = groups.flatMap(({ alerts }) => alerts);

describe('amtool', () => {
  test('accepts the config', async () => {
    const said = await runAmtool(toAlertmanagerConfig(receivers), ['check-config', 'CONFIG']);
    expect(said).toContain('SUCCESS');
  });

  test.each(ROUTING_CASES)(
    '$labels.alertname ($labels.severity, $labels.team) goes to $receiver',
    async ({ labels, receiver }) => {
      const config = toAlertmanagerConfig(receivers);
      const given = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
      const route = ['config', 'routes', 'test', '--config.file', 'CONFIG'];
      expect(await runAmtool(config, [...route, `--verify.receivers=${receiver}`, ...given])).toMatch(
        new RegExp(`^${receiver}$`, 'm'),
      );
    },
  );

  test('there is a case for every alert, with its severity and team', () => {
    for (const { name, severity, team } of alerts) {
      const labels = { alertname: name, severity, ...(team !== null && { team }) };
      expect(ROUTING_CASES.map((routed) => routed.labels)).toContainEqual(expect.objectContaining(labels));
    }
  });

  test('every team that an alert or a service level names is told', () => {
    const named = groups.flatMap(({ alerts, recordings }) => [
      ...alerts.map(({ team }) => team),
      ...recordings.map(({ labels }) => labels.team),
    ]);
    for (const team of new Set(named.filter((team) => typeof team === 'string')))
      expect(Object.keys(receivers.teams)).toContain(team);
  });
});

test('what is silenced, and what for, are alerts', () => {
  const names = alerts.map(({ name }) => name);
  for (const { source, targets } of INHIBITIONS) {
    expect(names).toEqual(expect.arrayContaining([source, ...targets]));
    expect(targets).not.toContain(source);
  }
});

describe('a real Alertmanager', () => {
  let pager: Pager;
  let folder: string;
  let alertmanager: Alertmanager;

  beforeAll(async () => {
    pager = await openPager();
    folder = await mkdtemp(join(tmpdir(), 'tulle-receivers-'));
    const local = await reachLocally(receivers, pager.url, folder);
    alertmanager = await startAlertmanager(toAlertmanagerConfig(local));
  });
  afterAll(async () => {
    await alertmanager?.stop();
    await pager?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const told = (notifier: string) => pager.messages.filter((message) => message.notifier === notifier);
  const alert = (alertname: string, labels: Record<string, string>): PostedAlert => ({
    labels: { alertname, ...labels },
    annotations: {
      summary: `${alertname} summary`,
      description: `${alertname} description`,
      runbook_url: `https://runbooks.example/${alertname}.md`,
      dashboard_url: 'https://grafana.example/d/tulle-mesh',
    },
  });
  const page = { severity: 'page', team: 'platform' };
  const ticket = { severity: 'ticket', team: 'platform' };

  test('a batch reaches whom it should, in their own languages, with secrets out of files', async () => {
    const redisAway = alert('RedisAway', { ...page, queue: 'workflow-runs' });
    await alertmanager.post([
      redisAway,
      alert('QueueBacklog', { ...ticket, queue: 'workflow-runs' }),
      alert('DeadLetters', { ...ticket, queue: 'webhook-deliveries' }),
      alert('CertificateExpires', { severity: 'page', team: 'mesh', service_name: 'orders' }),
      alert('ErrorBudgetBurnsFast', { ...page, service_name: 'gateway', slo: 'gateway-latency' }),
      alert('ErrorBudgetBurnsSlowly', { ...ticket, service_name: 'gateway', slo: 'gateway-latency' }),
      alert('ErrorBudgetBurnsSlowly', { ...ticket, service_name: 'gateway', slo: 'gateway-availability' }),
      alert('Watchdog', { severity: 'none', team: 'mesh' }),
    ]);

    const pagerDuty = await pager.next(({ notifier }) => notifier === 'mesh-pager');
    expect(pagerDuty.body).toMatchObject({
      routing_key: 'secret of pagerduty-mesh-key',
      event_action: 'trigger',
      payload: {
        summary: 'CertificateExpires summary',
        severity: 'critical',
        component: 'orders',
        class: 'CertificateExpires',
      },
      links: [
        { href: 'https://runbooks.example/CertificateExpires.md', text: 'Runbook' },
        { text: 'Dashboard' },
      ],
    });
    const opsgenie = await pager.next(({ body }) => body?.message === 'RedisAway summary');
    expect(opsgenie).toMatchObject({
      notifier: 'platform-pager',
      path: '/platform-pager/v2/alerts',
      authorization: 'GenieKey secret of jsm-platform-key',
      body: {
        priority: 'P1',
        description: expect.stringContaining('Runbook: https://runbooks.example/RedisAway.md'),
      },
    });
    const slack = await pager.next(
      ({ notifier, body }) => notifier === 'slack' && body.channel === '#mesh-alerts',
    );
    expect(slack.body.attachments[0]).toMatchObject({
      title: 'CertificateExpires summary',
      title_link: 'https://runbooks.example/CertificateExpires.md',
    });
    const watchdog = await pager.next(({ notifier }) => notifier === 'dead-mans-switch');
    expect(watchdog.authorization).toBe('Bearer secret of dead-mans-switch-token');
    // The owners of the gateway are told besides the team.
    await pager.next(
      ({ notifier, body }) =>
        notifier === 'gateway-owners' && body.commonLabels.alertname === 'ErrorBudgetBurnsFast',
    );
    await pager.next(
      ({ notifier, body }) =>
        notifier === 'platform-pager' && body?.message === 'ErrorBudgetBurnsFast summary',
    );

    // The other ticket of the gateway is about another promise, and nothing silences it.
    const slow = await pager.next(({ body }) => body?.commonLabels?.slo === 'gateway-availability');
    expect(slow.body.commonLabels.alertname).toBe('ErrorBudgetBurnsSlowly');
    const tickets = told('gateway-owners').flatMap(({ body }) => body.alerts.map(slosOf));
    expect(tickets).not.toContain('ErrorBudgetBurnsSlowly gateway-latency');
    // Redis is why they stand still.
    const titles = told('slack').map(({ body }) => body.attachments[0].title);
    expect(titles).not.toContainEqual(expect.stringMatching(/^(QueueBacklog|DeadLetters)/));

    await alertmanager.post([{ ...redisAway, endsAt: new Date().toISOString() }]);
    await pager.next(({ notifier, path }) => notifier === 'platform-pager' && path.endsWith('/close'));
    // What it silenced is told now that it is over and they are not.
    await pager.next(({ body }) => /^(QueueBacklog|DeadLetters) summary/.test(body?.attachments?.[0].title));
  });

  test('a page about the whole mesh silences its children, and nothing else', async () => {
    const seen = pager.messages.length;
    const service = { ...page, service_name: 'workflow-worker' };
    await alertmanager.post([alert('MeshFails', { severity: 'page', team: 'mesh' })]);
    await pager.next(({ body }) => body?.payload?.summary === 'MeshFails summary');
    await alertmanager.post([
      alert('ErrorBudgetBurnsFast', { ...service, slo: 'a' }),
      alert('NoEndpointAvailable', { severity: 'page', team: 'mesh', service_name: 'orders', upstream: 'x' }),
      alert('SecretExpires', { severity: 'page', team: 'mesh', service_name: 'orders' }),
      // In another cluster it says something new.
      alert('NoEndpointAvailable', {
        severity: 'page',
        team: 'mesh',
        service_name: 'b',
        upstream: 'x',
        cluster: 'other',
      }),
    ]);
    const pages = () =>
      pager.messages
        .slice(seen)
        .flatMap(({ notifier, body }) => (notifier === 'mesh-pager' ? [body.payload] : []));
    await pager.next(({ body }) => body?.payload?.summary === 'SecretExpires summary');
    await pager.next(({ body }) => body?.payload?.component === 'b');
    // Groups wait equally long, so that those would have been there too.
    await sleep(1_000);
    expect(
      pages()
        .map(({ summary, component }) => `${summary} ${component ?? 'of all'}`)
        .sort(),
    ).toEqual(['MeshFails summary of all', 'NoEndpointAvailable summary b', 'SecretExpires summary orders']);
  });
});

describe('receivers.yaml', () => {
  test.each([
    [
      'a team that is told by nobody',
      (text: string) => text.replace('page: [mesh-pager,', 'page: [mesh-page,'),
      'teams.mesh.page[0]: names no notifier; did you mean "mesh-pager"?',
    ],
    [
      'a fallback that is no team',
      (text: string) => text.replace('fallback: mesh', 'fallback: mash'),
      'fallback: names no team; did you mean "mesh"?',
    ],
    [
      'a secret',
      (text: string) => text.replace('pagerduty-mesh-key', 'R0/UT1NGK3Y+abc='),
      'notifiers.mesh-pager.pagerDuty.routingKeyFile: must be the name of a file in secretsFolder; write the secret into a file there; none may stand here',
    ],
    [
      'a misspelt key',
      (text: string) => text.replace('ticket: [mesh-chat]', 'tickets: [mesh-chat]'),
      'teams.mesh.tickets: is not a known key',
    ],
  ])('%s is refused', async (_, change, problem) => {
    await expect(readChanged(change)).rejects.toThrow(problem);
  });
});

async function readChanged(change: (text: string) => string): Promise<Receivers> {
  const folder = await mkdtemp(join(tmpdir(), 'tulle-receivers-'));
  try {
    const text = await readFile(new URL('../receivers.yaml', import.meta.url), 'utf8');
    await writeFile(join(folder, 'receivers.yaml'), change(text));
    return await readReceivers(join(folder, 'receivers.yaml'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function slosOf({ labels }: { labels: Record<string, string> }): string {
  return `${labels.alertname} ${labels.slo}`;
}
