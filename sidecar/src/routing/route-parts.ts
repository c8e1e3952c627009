/**
 * What the rules of HTTPRoute and GRPCRoute have in common.
 */
import { z } from 'zod';
import { text, unsupported } from '../config/values.ts';
import type { BackendConfig, ParentConfig } from './route-config.ts';
import { backendFilters, toHeaderFilters } from './route-filters.ts';
import { type parentRefs, serviceRef } from './service-ref.ts';

/** As many as the Gateway API allows. */
export const MAX_RULES = 16;
export const MAX_MATCHES = 64;
const MAX_BACKENDS = 16;
const MAX_WEIGHT = 1_000_000;
const MAX_HOSTNAMES = 16;
const MAX_NAME_CHARS = 253;

export const routeKeys = {
  useDefaultGateways: unsupported('a sidecar is no gateway'),
  hostnames: z.array(z.string().max(MAX_NAME_CHARS)).max(MAX_HOSTNAMES).default([]),
};

export const ruleKeys = {
  name: text((value) =>
    /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(value)
      ? null
      : `must be lower-case letters, digits, "-" or ".", at most ${MAX_NAME_CHARS} characters`,
  ).optional(),
  backendRefs: z
    .array(serviceRef.extend({ weight: z.int().min(0).max(MAX_WEIGHT).default(1), filters: backendFilters }))
    .max(MAX_BACKENDS)
    .default([]),
  retry: unsupported('a TrafficPolicy says what is retried'),
  sessionPersistence: unsupported('a TrafficPolicy says how endpoints are chosen'),
};

const UNIT_MS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** As the Gateway API writes them (GEP-2257). Zero is no timeout. */
export const duration = z.string().transform((value, context): number => {
  if (!/^([0-9]{1,5}(h|m|s|ms)){1,4}$/.test(value)) {
    const message = 'must be a duration in whole hours, minutes, seconds or milliseconds';
    context.addIssue({
      code: 'custom',
      message,
      params: { suggestion: 'write it like 500ms, 10s or 1m30s' },
    });
    return z.NEVER;
  }
  let sumMs = 0;
  for (const [, count, unit = ''] of value.matchAll(/(\d+)(ms|[hms])/g))
    sumMs += Number(count) * (UNIT_MS[unit] ?? 0);
  return sumMs === 0 ? Number.POSITIVE_INFINITY : sumMs;
});

/** Rules that have names have one each, or a policy could not tell which one it is for. */
export function refuseRepeatedNames(
  rules: readonly { name?: string | undefined }[],
  context: z.core.$RefinementCtx,
): void {
  rules.forEach(({ name }, index) => {
    if (name === undefined || rules.findIndex((other) => other.name === name) === index) return;
    const params = { suggestion: 'give each rule a name of its own' };
    context.addIssue({ code: 'custom', path: [index, 'name'], message: `repeats ${name}`, params });
  });
}

export function toParents(refs: z.output<typeof parentRefs>): ParentConfig[] {
  return refs.map(({ name, port }) => ({ name, port: port ?? null }));
}

export function toBackends(refs: z.output<typeof ruleKeys.backendRefs>): BackendConfig[] {
  return refs.map(({ name, weight, filters }) => ({ name, weight, ...toHeaderFilters(filters) }));
}
