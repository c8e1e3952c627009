/**
 * HTTPRoute of the Gateway API, for the requests to a Service.
 */
import { z } from 'zod';
import { text } from '../config/values.ts';
import { headerMatches } from './field-match.ts';
import { queryMatches } from './query-match.ts';
import type { PathMatch, RequestMatch, RuleConfig } from './route-config.ts';
import { httpFilters, toRuleFilters } from './route-filters.ts';
import {
  duration,
  MAX_MATCHES,
  MAX_RULES,
  refuseRepeatedNames,
  routeKeys,
  ruleKeys,
  toBackends,
} from './route-parts.ts';
import { parentRefs } from './service-ref.ts';
import { explainPattern } from './value-match.ts';

const MAX_PATH_CHARS = 1_024;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

const pathMatch = z
  .strictObject({
    type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
    value: text((value) =>
      value.length <= MAX_PATH_CHARS ? null : `must be at most ${MAX_PATH_CHARS} characters`,
    ).default('/'),
  })
  .superRefine(({ type, value }, context) => {
    const message = type === 'RegularExpression' ? explainPattern(value) : explainPath(value);
    if (message === null) return;
    context.addIssue({ code: 'custom', path: ['value'], message, params: { suggestion: null } });
  });

const match = z.strictObject({
  path: pathMatch.prefault({}),
  method: z.enum(METHODS).optional(),
  headers: headerMatches,
  queryParams: queryMatches,
});

const rule = z
  .strictObject({
    ...ruleKeys,
    matches: z.array(match).max(MAX_MATCHES).default([]),
    filters: httpFilters,
    timeouts: z
      .strictObject({ request: duration.optional(), backendRequest: duration.optional() })
      .prefault({}),
  })
  .superRefine((rule, context) => {
    for (const { path, message, suggestion } of checkRule(rule)) {
      context.addIssue({ code: 'custom', path: [...path], message, params: { suggestion } });
    }
  });

export const spec = z.strictObject({
  ...routeKeys,
  parentRefs,
  rules: z.array(rule).min(1).max(MAX_RULES).superRefine(refuseRepeatedNames),
});

type Rule = z.output<typeof rule>;

export function toRules({ rules }: z.output<typeof spec>): RuleConfig[] {
  return rules.map((rule) => {
    const matches = rule.matches.length === 0 ? [match.parse({})] : rule.matches;
    const [{ path }] = matches as [z.output<typeof match>];
    return {
      name: rule.name ?? null,
      matches: matches.map(toMatch),
      ...toRuleFilters(rule.filters, trimPrefix(path.value)),
      backends: toBackends(rule.backendRefs),
      requestTimeoutMs: rule.timeouts.request ?? null,
      attemptTimeoutMs: rule.timeouts.backendRequest ?? null,
    };
  });
}

function toMatch({ path, method, headers, queryParams }: z.output<typeof match>): RequestMatch {
  const { type } = path;
  const value = type === 'PathPrefix' ? trimPrefix(path.value) : path.value;
  return {
    path: { type, value } as PathMatch,
    method: method ?? null,
    headers,
    query: queryParams,
    // Of these the Gateway API leaves only the place of regular expressions open.
    rank: [PATH_RANK[type], value.length, method === undefined ? 0 : 1, headers.length, queryParams.length],
  };
}

const PATH_RANK = { Exact: 2, RegularExpression: 1, PathPrefix: 0 } as const;

/** `/a/` and `/a` are one prefix, and `/` is that of every path. */
function trimPrefix(value: string): string {
  return value.endsWith('/') ? value.slice(0, -1) : value;
}

function explainPath(value: string): string | null {
  if (!value.startsWith('/')) return 'must begin with "/"';
  if (!/^[!-~]*$/.test(value)) return 'must be of visible ASCII characters, others written like %C3%A9';
  if (/[?#]/.test(value)) return 'must be a path, without query and fragment';
  return /\/\/|\/\.\.?(\/|$)|%2f/i.test(value) ? 'must not have "//", "/./", "/../" or "%2F" in it' : null;
}

function* checkRule({ matches, filters, backendRefs, timeouts }: Rule) {
  const redirects = filters.some(({ type }) => type === 'RequestRedirect');
  if (redirects && backendRefs.length > 0) {
    const message = 'can have no effect beside a RequestRedirect, which answers every request';
    yield { path: ['backendRefs'], message, suggestion: 'remove one of the two' };
  }
  if (redirects && filters.some(({ type }) => type === 'URLRewrite')) {
    const message = 'must not have both RequestRedirect and URLRewrite';
    yield { path: ['filters'], message, suggestion: 'remove one of the two' };
  }
  const replacesPrefix = filters.some(({ urlRewrite, requestRedirect }) =>
    [urlRewrite?.path?.type, requestRedirect?.path?.type].includes('ReplacePrefixMatch'),
  );
  const onePrefix = matches.length === 0 || (matches.length === 1 && matches[0]?.path.type === 'PathPrefix');
  if (replacesPrefix && !onePrefix) {
    const message = 'must be one match with a PathPrefix, which ReplacePrefixMatch replaces';
    yield { path: ['matches'], message, suggestion: 'make a rule of each match' };
  }
  const { request = Number.POSITIVE_INFINITY, backendRequest = Number.POSITIVE_INFINITY } = timeouts;
  if (backendRequest !== Number.POSITIVE_INFINITY && backendRequest > request) {
    const message = 'must not be longer than the timeout of the request';
    yield { path: ['timeouts', 'backendRequest'], message, suggestion: null };
  }
}
