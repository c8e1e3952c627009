/**
 * GRPCRoute of the Gateway API, for the calls to a Service: a method is a path, `/service/method`.
 */
import { z } from 'zod';
import { text, unsupported } from '../config/values.ts';
import { headerMatches } from './field-match.ts';
import type { PathMatch, RequestMatch, RuleConfig } from './route-config.ts';
import { grpcFilters, toRuleFilters } from './route-filters.ts';
import {
  MAX_MATCHES,
  MAX_RULES,
  refuseRepeatedNames,
  routeKeys,
  ruleKeys,
  toBackends,
} from './route-parts.ts';
import { parentRefs } from './service-ref.ts';
import { explainPattern, matchType, quotePattern } from './value-match.ts';

const MAX_NAME_CHARS = 1_024;
const ANY_NAME = '[^/]+';
const name = text((value) =>
  value !== '' && value.length <= MAX_NAME_CHARS ? null : `must be 1 to ${MAX_NAME_CHARS} characters`,
).optional();

const methodMatch = z
  .strictObject({ type: matchType, service: name, method: name })
  .superRefine((match, context) => {
    const issue = (path: string[], message: string, suggestion: string | null) =>
      context.addIssue({ code: 'custom', path, message, params: { suggestion } });
    if (match.service === undefined && match.method === undefined) {
      issue([], 'must have at least one of service and method', 'leave `method` out to match every call');
    }
    for (const key of ['service', 'method'] as const) {
      const value = match[key];
      if (value === undefined) continue;
      const message = match.type === 'Exact' ? explainName(value, key) : explainPattern(value);
      if (message !== null) issue([key], message, null);
    }
  });

const match = z.strictObject({ method: methodMatch.optional(), headers: headerMatches });

const rule = z.strictObject({
  ...ruleKeys,
  matches: z.array(match).max(MAX_MATCHES).default([]),
  filters: grpcFilters,
  timeouts: unsupported('a caller of gRPC says how long it waits, with grpc-timeout'),
});

export const spec = z.strictObject({
  ...routeKeys,
  parentRefs,
  rules: z.array(rule).min(1).max(MAX_RULES).superRefine(refuseRepeatedNames),
});

export function toRules({ rules }: z.output<typeof spec>): RuleConfig[] {
  return rules.map((rule) => ({
    name: rule.name ?? null,
    matches: (rule.matches.length === 0 ? [match.parse({})] : rule.matches).map(toMatch),
    ...toRuleFilters(rule.filters, ''),
    backends: toBackends(rule.backendRefs),
    requestTimeoutMs: null,
    attemptTimeoutMs: null,
  }));
}

function toMatch({ method, headers }: z.output<typeof match>): RequestMatch {
  const rank = [method?.service?.length ?? 0, method?.method?.length ?? 0, headers.length];
  return { path: toPath(method), method: null, headers, query: [], rank };
}

function toPath(match: z.output<typeof methodMatch> | undefined): PathMatch {
  if (match === undefined) return { type: 'PathPrefix', value: '' };
  const { type, service, method } = match;
  if (type === 'Exact' && service !== undefined) {
    if (method !== undefined) return { type, value: `/${service}/${method}` };
    return { type: 'PathPrefix', value: `/${service}` };
  }
  const pattern = (part: string | undefined): string => {
    if (part === undefined) return ANY_NAME;
    return type === 'Exact' ? quotePattern(part) : `(?:${part})`;
  };
  return { type: 'RegularExpression', value: `/${pattern(service)}/${pattern(method)}` };
}

function explainName(value: string, key: 'service' | 'method'): string | null {
  const [shape, example] =
    key === 'service' ? [/^[A-Za-z_][\w.]*$/, 'helloworld.Greeter'] : [/^[A-Za-z_]\w*$/, 'SayHello'];
  return shape.test(value) ? null : `must be the name of a ${key}, like ${example}`;
}
