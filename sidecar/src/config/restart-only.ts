/**
 * Settings a running sidecar cannot change: what it is called, who it is, what it listens on and where telemetry goes.
 * A reload that touches one is refused as a whole, since a half-applied file would match neither its text nor the
 * old one. Everything else (targets, outbound services, timeouts, the sampling ratio) is taken over live.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Address, formatAddress } from './address.ts';
import type { KeyPath } from './problem.ts';
import { quote } from './problem.ts';
import type { InboundConfig, OutboundConfig, SidecarConfig } from './schema.ts';

export type RestartFinding = {
  readonly path: KeyPath;
  readonly message: string;
  readonly suggestion: string;
};

/** Texts are shown in the message, anything else is only compared. */
type Setting = { readonly path: KeyPath; readonly read: (config: SidecarConfig) => unknown };

// Kept as data, so that a setting which learns to change live is one line less.
const SETTINGS: readonly Setting[] = [
  { path: ['metadata', 'name'], read: ({ name }) => name },
  { path: ['metadata', 'namespace'], read: ({ namespace }) => namespace },
  { path: ['spec', 'service'], read: ({ service }) => service },
  { path: ['spec', 'identity'], read: ({ identity }) => identity },
  { path: ['spec', 'control'], read: ({ control }) => control },
  { path: ['spec', 'admin', 'listen'], read: ({ admin }) => formatAddress(admin.listen) },
  {
    path: ['spec', 'outbound', 'listen'],
    read: ({ outbound }) => (outbound === null ? null : formatAddress(outbound.listen)),
  },
  {
    path: ['spec', 'inboundCapture', 'listen'],
    read: ({ inboundCapture }) => formatListen(inboundCapture?.listen),
  },
  { path: ['spec', 'telemetry', 'accessLog'], read: ({ telemetry }) => telemetry.accessLog },
  { path: ['spec', 'telemetry', 'audit', 'log'], read: ({ telemetry }) => telemetry.audit.path },
  { path: ['spec', 'telemetry', 'traces', 'endpoint'], read: ({ telemetry }) => telemetry.traces?.endpoint },
];

const SUGGESTION = 'restart the sidecar to use it, or put the old setting back';

export function findRestartOnly(running: SidecarConfig, wanted: SidecarConfig): RestartFinding[] {
  const findings: RestartFinding[] = [];
  const compare = (path: KeyPath, before: unknown, after: unknown): void => {
    if (isDeepStrictEqual(before, after)) return;
    const values =
      typeof before === 'string' && typeof after === 'string'
        ? ` from ${quote(before)} to ${quote(after)}`
        : '';
    findings.push({ path, message: `cannot change${values} while the sidecar runs`, suggestion: SUGGESTION });
  };

  const compareOutbound = (before: OutboundConfig, after: OutboundConfig): void => {
    const path = ['spec', 'outbound'];
    compare(
      [...path, 'capture', 'listen'],
      formatListen(before.capture?.listen),
      formatListen(after.capture?.listen),
    );
    const listens = new Map(before.services.map(({ host, listen }) => [host, formatListen(listen)]));
    for (const [index, { host, listen }] of after.services.entries()) {
      compare([...path, 'services', index, 'listen'], listens.get(host) ?? null, formatListen(listen));
      listens.delete(host);
    }
    for (const [host, listen] of listens) {
      if (listen === null) continue;
      const message = `cannot remove the service "${host}", which has a listener, while the sidecar runs`;
      findings.push({ path: [...path, 'services'], message, suggestion: SUGGESTION });
    }
  };

  for (const { path, read } of SETTINGS) compare(path, read(running), read(wanted));

  const runningByName = byName(running.inbound);
  // By name, not by place: the order of the listeners means nothing.
  wanted.inbound.forEach((listener, index) => {
    const path = ['spec', 'inbound', index];
    const before = runningByName.get(listener.name);
    if (before === undefined) {
      const message = `cannot add the listener "${listener.name}" while the sidecar runs`;
      findings.push({ path, message, suggestion: SUGGESTION });
      return;
    }
    compare([...path, 'listen'], formatListen(before.listen), formatListen(listener.listen));
    compare([...path, 'mtls'], before.mtls, listener.mtls);
    compare([...path, 'protocol'], before.protocol, listener.protocol);
  });

  const wantedByName = byName(wanted.inbound);
  for (const name of runningByName.keys()) {
    if (wantedByName.has(name)) continue;
    const message = `cannot remove the listener "${name}" while the sidecar runs`;
    findings.push({ path: ['spec', 'inbound'], message, suggestion: SUGGESTION });
  }
  const tracesPath = ['spec', 'telemetry', 'traces'];
  const [before, after] = [running.telemetry.traces, wanted.telemetry.traces];
  if (before !== null && after !== null)
    compare([...tracesPath, 'intake'], formatListen(before.intake), formatListen(after.intake));
  if (before !== null && after !== null)
    compare([...tracesPath, 'ringSpans'], before.ringSpans, after.ringSpans);
  if (running.outbound !== null && wanted.outbound !== null)
    compareOutbound(running.outbound, wanted.outbound);
  return findings;
}

function formatListen(address: Address | null | undefined): string | null {
  return address === null || address === undefined ? null : formatAddress(address);
}

function byName(listeners: readonly InboundConfig[]): ReadonlyMap<string, InboundConfig> {
  return new Map(listeners.map((listener) => [listener.name, listener]));
}
