// The receivers of receivers.yaml where a test, or the example, can hear what they are told.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Receivers } from '../src/receivers.ts';

/** The same people at local addresses, told at once and at any hour; e-mail as a webhook, since there is no mail server here. `folder` takes the secrets. */
export async function reachLocally(receivers: Receivers, base: string, folder: string): Promise<Receivers> {
  const secret = (name: string, content = `secret of ${name}`) => writeFile(join(folder, name), content);
  const notifiers: Receivers['notifiers'] = {};
  for (const [name, notifier] of Object.entries(receivers.notifiers)) {
    const url = `${base}/${name}/`;
    const { pagerDuty, opsgenie, slack, webhook } = notifier;
    if (pagerDuty !== undefined) {
      await secret(pagerDuty.routingKeyFile);
      notifiers[name] = { pagerDuty: { ...pagerDuty, url } };
    } else if (opsgenie !== undefined) {
      await secret(opsgenie.apiKeyFile);
      notifiers[name] = { opsgenie: { ...opsgenie, apiUrl: url } };
    } else if (slack !== undefined) {
      await secret(slack.apiUrlFile, `${base}/slack`);
      notifiers[name] = notifier;
    } else {
      if (webhook?.tokenFile !== undefined) await secret(webhook.tokenFile);
      notifiers[name] = { webhook: { ...webhook, url } };
    }
  }
  const { muteTickets: _, ...always } = receivers;
  const soon = { wait: '500ms', interval: '500ms', repeat: '1h' };
  const { page, ticket } = receivers.grouping;
  const grouping = { page: { ...page, ...soon }, ticket: { ...ticket, ...soon } };
  return { ...always, secretsFolder: folder, notifiers, grouping };
}
