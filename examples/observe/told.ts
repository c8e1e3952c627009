import type { Message } from '../../alerts/test/pager.ts';

// What a message of Alertmanager says, whatever the language of the service it is for.

export type Told = {
  /** A notifier of alerts/receivers.yaml; of Slack, where one address has many channels, the channel. */
  readonly who: string;
  readonly isResolved: boolean;
  /** What is told again when it is over. */
  readonly incident: string;
  /** Null where only the incident is named. */
  readonly alert: string | null;
  readonly text: string;
};

export function readMessage({ notifier, path, body }: Message): Told {
  if (body?.event_action !== undefined) {
    const { dedup_key: incident, event_action, payload } = body;
    return {
      who: notifier,
      isResolved: event_action === 'resolve',
      incident,
      alert: payload.class,
      text: withoutPrefix(payload.summary),
    };
  }
  const [, closed] = /\/v2\/alerts\/([^/]+)\/close$/.exec(path) ?? [];
  if (closed !== undefined)
    return { who: notifier, isResolved: true, incident: closed, alert: null, text: 'incident closed' };
  if (body?.alias !== undefined) {
    const { alias, tags, message } = body;
    return { who: notifier, isResolved: false, incident: alias, alert: tags[0], text: message };
  }
  if (body?.attachments !== undefined) {
    const [{ title, footer }] = body.attachments;
    const text = withoutPrefix(title);
    return { who: body.channel, isResolved: text !== title, incident: text, alert: footer, text };
  }
  const { status, groupKey, commonLabels, alerts } = body;
  return {
    who: notifier,
    isResolved: status === 'resolved',
    incident: groupKey,
    alert: commonLabels.alertname,
    text: alerts[0].annotations.summary,
  };
}

function withoutPrefix(title: string): string {
  return title.replace(/^Resolved: /, '');
}
