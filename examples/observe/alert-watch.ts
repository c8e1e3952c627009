import { setTimeout as sleep } from 'node:timers/promises';
import type { Prometheus } from '../../test/parts/prometheus.ts';

// What Prometheus says of alerts, as it changes.

export type AlertState = 'inactive' | 'pending' | 'firing';
export type AlertChange = {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly before: AlertState;
  readonly state: AlertState;
  readonly summary: string;
};

type ActiveAlert = {
  readonly labels: Readonly<Record<string, string>> & { readonly alertname: string };
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
};

const LOOK_MS = 250;
/** It fires always, and nobody needs to be told here. */
const WATCHDOG = 'Watchdog';

/** Goes on until it is stopped. */
export async function watchAlerts(
  prometheus: Prometheus,
  onChange: (change: AlertChange) => void,
  stopped: AbortSignal,
): Promise<void> {
  let before = new Map<string, ActiveAlert>();
  const tell = ({ labels, annotations }: ActiveAlert, before: AlertState, state: AlertState) => {
    if (before === state) return;
    onChange({ alert: labels.alertname, labels, before, state, summary: annotations.summary ?? '' });
  };
  while (!stopped.aborted) {
    const { alerts } = (await prometheus.query('alerts', {})) as { alerts: ActiveAlert[] };
    const now = new Map(
      alerts
        .filter(({ labels }) => labels.alertname !== WATCHDOG)
        .map((alert) => [JSON.stringify(alert.labels), alert]),
    );
    for (const [key, alert] of now) tell(alert, before.get(key)?.state ?? 'inactive', alert.state);
    for (const [key, alert] of before) if (!now.has(key)) tell(alert, alert.state, 'inactive');
    before = now;
    await sleep(LOOK_MS);
  }
}
