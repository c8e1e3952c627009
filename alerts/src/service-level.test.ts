import { describe, expect, test } from 'vitest';
import type { ServiceLevelDocument } from '../../sidecar/src/config/service-level.ts';
import { readAlertData } from './files.ts';
import { SERVICE_FAULTS } from './service-faults.ts';
import { toGroup } from './service-level.ts';
import { SLO_ERROR_RATE, SLO_REQUEST_RATE } from './slo-metrics.ts';
import { secondsOf, windowsFile, windowsOf } from './windows.ts';

const { windows } = await readAlertData();
const SPEC = {
  service: 'orders',
  protocol: 'http',
  objective: 99.9,
  window: '30d',
  team: 'shop',
  indicator: { availability: {} },
} as const;

function recordedOf(spec: Partial<ServiceLevelDocument['spec']>, metric: { readonly name: string }): string {
  const { recordings } = toGroup({ name: 'orders', spec: { ...SPEC, ...spec } }, windows);
  return recordings.find((recording) => recording.metric === metric)?.expression.text ?? '';
}

describe('what is counted', () => {
  test('of one route alone', () => {
    expect(recordedOf({ route: 'orders/search' }, SLO_REQUEST_RATE)).toBe(
      'sum(rate(http_server_request_duration_seconds_count{service_name="orders", http_route="orders/search"}[5m]))',
    );
  });

  test('of gRPC by its own statuses', () => {
    const faults = SERVICE_FAULTS.grpc.like;
    expect(faults).toMatch(/^UNKNOWN\|.*\|upstream_timeout/);
    expect(recordedOf({ protocol: 'grpc' }, SLO_ERROR_RATE)).toContain(
      `rpc_server_call_duration_seconds_count{service_name="orders", error_type=~"${faults}"}[5m]`,
    );
  });

  test('of a latency in the bucket of its threshold, without requests that failed', () => {
    expect(recordedOf({ indicator: { latency: { thresholdMs: 2500 } } }, SLO_ERROR_RATE)).toContain(
      'http_server_request_duration_seconds_bucket{service_name="orders", error_type="", le="2.5"}[5m]',
    );
  });

  test('nothing that a caller did wrong or a rule rightly refused counts against a service', () => {
    const faults = SERVICE_FAULTS.http.like.split('|');
    expect(faults).toEqual(expect.arrayContaining(['upstream_timeout', 'overloaded', 'no_endpoint']));
    for (const fault of [
      'rate_limited',
      'access_denied',
      'waf_blocked',
      'malformed_request',
      'unsupported_method',
    ])
      expect(faults).not.toContain(fault);
  });
});

test('an objective that could never burn fast enough is refused, with one that could', () => {
  expect(() => toGroup({ name: 'orders', spec: { ...SPEC, objective: 93 } }, windows)).toThrow(
    'ServiceLevel orders: an objective of 93 % can never burn at 14.4x, so that no page would come: write one above 93.06, or another factor in windows.yaml',
  );
  expect(() => toGroup({ name: 'orders', spec: { ...SPEC, objective: 93.06 } }, windows)).not.toThrow();
});

describe('windows', () => {
  test('are in order, each once', () => {
    expect(windowsOf(windows)).toEqual(['5m', '30m', '1h', '2h', '6h', '1d', '3d']);
    expect(secondsOf('1h30m')).toBe(5_400);
    expect(secondsOf('500ms')).toBe(0.5);
  });

  test.each([
    [{ factor: 6, long: '5m', short: '5m' }, 'must be shorter than `long`'],
    [{ factor: 6, long: 'an hour', short: '5m' }, 'must be a duration'],
    [{ factor: 0, long: '1h', short: '5m' }, '>0'],
  ])('%j is refused', (window, problem) => {
    const { error } = windowsFile.safeParse({
      ...windows,
      page: { for: '0s', windows: [window] },
    });
    expect(error?.issues.map(({ message }) => message).join()).toContain(problem);
  });
});
