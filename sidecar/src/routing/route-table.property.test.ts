import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileChain } from '../core/chain.ts';
import { Failure } from '../core/failure.ts';
import type { Route } from '../core/route.ts';
import { RequestHead } from '../protocol/head.ts';
import { scanRequestHead } from '../protocol/http1/request-head.ts';
import { covers } from './coverage.ts';
import { spec, toRules } from './http-route.ts';
import type { RequestMatch, RouteConfig } from './route-config.ts';
import { orderMatches } from './route-order.ts';
import { RouteTable } from './route-table.ts';

// Few names and values, so that conditions often hold and often tie.
const element = fc.constantFrom('a', 'b', 'ab', 'A');
const path = fc
  .tuple(fc.array(element, { maxLength: 3 }), fc.boolean())
  .map(([elements, slash]) => `/${elements.join('/')}${slash && elements.length > 0 ? '/' : ''}`);
const name = fc.constantFrom('x-a', 'x-b', 'accept');
const parameter = fc.constantFrom('p', 'q', 'P');
const value = fc.constantFrom('1', '2', '12');
const condition = (names: fc.Arbitrary<string>) =>
  fc.uniqueArray(fc.record({ name: names, value }), { selector: ({ name }) => name, maxLength: 2 });
const match = fc.record(
  {
    path: fc.record({ type: fc.constantFrom('Exact', 'PathPrefix'), value: path }),
    method: fc.constantFrom('GET', 'POST'),
    headers: condition(name),
    queryParams: condition(parameter),
  },
  { requiredKeys: [] },
);
const routes = fc.array(
  fc.array(fc.array(match, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
  { minLength: 1, maxLength: 3 },
);
const request = fc.record({
  path,
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  headers: fc.array(fc.tuple(fc.constantFrom('x-a', 'X-A', 'x-b', 'Accept'), value), { maxLength: 3 }),
  query: fc.array(fc.tuple(parameter, value), { maxLength: 3 }),
});

type Request = typeof request extends fc.Arbitrary<infer R> ? R : never;

const SERVICE = { namespace: 'ns', name: 'echo' };

function toConfigs(all: typeof routes extends fc.Arbitrary<infer R> ? R : never): RouteConfig[] {
  return all.map((rules, index) => ({
    kind: 'HTTPRoute',
    name: `route-${index}`,
    namespace: 'ns',
    createdAt: '',
    parents: [{ name: 'echo', port: null }],
    rules: toRules(
      spec.parse({
        parentRefs: [{ kind: 'Service', name: 'echo' }],
        rules: rules.map((matches) => ({ matches })),
      }),
    ),
  }));
}

function routeNamed(name: string): Route {
  const timeouts = { headMs: 1, bodyIdleMs: 1, idleMs: 1, connectMs: 1, upstreamMs: 1 };
  return {
    ...{
      name,
      rule: '',
      direction: 'outbound',
      service: 'a',
      trustsPeer: true,
      balancer: null,
      timeouts,
      retry: null,
    },
    ...{ unreachable: Failure.noRule, chain: compileChain([]), requestTimeoutMs: 1, attemptTimeoutMs: 1 },
  } as Route;
}

function compile(configs: readonly RouteConfig[]): RouteTable {
  const entries = orderMatches(configs, SERVICE).map(({ match, port, route, ruleIndex, matchIndex }) => ({
    ...{ match, port },
    route: routeNamed(`${route.name} ${ruleIndex} ${matchIndex}`),
  }));
  return new RouteTable(routeNamed('fallback'), routeNamed('unmatched'), entries);
}

function scan({ path, method, headers, query }: Request): RequestHead {
  const search = query.length === 0 ? '' : `?${query.map(([name, value]) => `${name}=${value}`).join('&')}`;
  const lines = [
    `${method} ${path}${search} HTTP/1.1`,
    'host: echo',
    ...headers.map(([n, v]) => `${n}: ${v}`),
    '',
    '',
  ];
  const raw = Buffer.from(lines.join('\r\n'));
  const head = new RequestHead();
  expect(scanRequestHead(head, raw, 0, raw.length)).toBe(raw.length);
  return head;
}

/** The words of the Gateway API, on strings. */
function applies({ path: wanted, method, headers, query }: RequestMatch, request: Request): boolean {
  const elements = (text: string) => text.split('/').filter((part) => part !== '');
  const pathApplies =
    wanted.type === 'Exact'
      ? request.path === wanted.value
      : elements(wanted.value).every((part, index) => elements(request.path)[index] === part);
  const fieldOf = (name: string) =>
    request.headers
      .filter(([other]) => other.toLowerCase() === name)
      .map(([, value]) => value)
      .join(',');
  return (
    pathApplies &&
    (method === null || method === request.method) &&
    headers.every(({ name, value }) => fieldOf(name) === value) &&
    query.every(({ name, value }) => request.query.find(([other]) => other === name)?.[1] === value)
  );
}

function precedence({ path, method, headers, query }: RequestMatch): number[] {
  return [
    path.type === 'Exact' ? 1 : 0,
    path.value.length,
    method === null ? 0 : 1,
    headers.length,
    query.length,
  ];
}

function findNaively(configs: readonly RouteConfig[], request: Request): string {
  let best: { label: string; precedence: number[] } | null = null;
  for (const { name, rules } of configs) {
    for (const [ruleIndex, { matches }] of rules.entries()) {
      for (const [matchIndex, match] of matches.entries()) {
        if (!applies(match, request)) continue;
        const found = { label: `${name} ${ruleIndex} ${matchIndex}`, precedence: precedence(match) };
        if (best === null || isGreater(found.precedence, best.precedence)) best = found;
      }
    }
  }
  return best?.label ?? 'unmatched';
}

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const index = a.findIndex((number, place) => number !== b[place]);
  return index !== -1 && (a[index] as number) > (b[index] as number);
}

test('a request finds the rule that the words of the Gateway API name', () => {
  let matched = 0;
  fc.assert(
    fc.property(routes, fc.array(request, { minLength: 1, maxLength: 5 }), (all, requests) => {
      const configs = toConfigs(all);
      const table = compile(configs);
      for (const request of requests) {
        const found = table.routeFor(scan(request)).name;
        expect(found).toBe(findNaively(configs, request));
        if (found !== 'unmatched') matched++;
      }
    }),
    { numRuns: 500 },
  );
  // Otherwise little was tried.
  expect(matched).toBeGreaterThan(200);
});

test('a match that covers another applies to every request that the other applies to', () => {
  let covered = 0;
  fc.assert(
    fc.property(routes, request, (all, request) => {
      const matches = toConfigs(all).flatMap(({ rules }) => rules.flatMap(({ matches }) => matches));
      for (const first of matches) {
        for (const second of matches) {
          if (first === second || !covers(first, second)) continue;
          covered++;
          if (applies(second, request)) expect(applies(first, request)).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(covered).toBeGreaterThan(100);
});
