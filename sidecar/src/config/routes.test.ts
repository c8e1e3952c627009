import { expect, test } from 'vitest';
import { parseConfig } from './load.ts';
import { formatProblem } from './problem.ts';

const SIDECAR = `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: caller-1, namespace: demo }
spec:
  service: caller
  inbound: [{ name: http, listen: 127.0.0.1:0, mtls: off, target: 127.0.0.1:8080 }]
  outbound:
    listen: 127.0.0.1:0
    services:
      - { host: echo, mtls: off, endpoints: [127.0.0.1:1] }
      - { host: echo-v2, mtls: off, endpoints: [127.0.0.1:2] }
      - { host: redis, protocol: redis, mtls: off, listen: 127.0.0.1:0, endpoints: [127.0.0.1:3] }
`;

function route(
  rules: string,
  { name = 'a', kind = 'HTTPRoute', parent = 'name: echo', more = '' } = {},
): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name} }
spec:
  parentRefs: [{ kind: Service, ${parent} }]
${more}  rules:
${rules}
`;
}

function policy(target: string, name = 'p'): string {
  return `apiVersion: mesh.tulle.dev/v1alpha1
kind: FaultPolicy
metadata: { name: ${name} }
spec:
  targetRefs: [${target}]
  abort: {}
`;
}

function load(...documents: string[]) {
  const texts = [SIDECAR, ...documents].map((text, index) => ({ file: `${index}.yaml`, text }));
  return parseConfig(texts, '/');
}

function problemsOf(...documents: string[]): string[] {
  const result = load(...documents);
  return result.ok ? [] : result.problems.map(formatProblem);
}

function warningsOf(...documents: string[]): string[] {
  const result = load(...documents);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.warnings.map(formatProblem);
}

const RULE = '    - { name: one, backendRefs: [{ name: echo }] }';

test('a route comes out whole, with what it does not say filled in', () => {
  const result = load(
    route(
      '    - { matches: [{ path: { value: /a/ }, headers: [{ name: X-A, value: b }] }], timeouts: { request: 1m30s }, backendRefs: [{ name: echo, weight: 3 }] }',
    ),
  );
  expect(result.ok && result.config.routes).toEqual([
    {
      kind: 'HTTPRoute',
      name: 'a',
      namespace: 'demo',
      createdAt: '',
      parents: [{ name: 'echo', port: null }],
      rules: [
        {
          name: null,
          matches: [
            {
              path: { type: 'PathPrefix', value: '/a' },
              method: null,
              headers: [{ name: 'x-a', type: 'Exact', value: 'b' }],
              query: [],
              rank: [0, 2, 0, 1, 0],
            },
          ],
          requestHeaders: null,
          responseHeaders: null,
          mirrors: [],
          redirect: null,
          rewrite: null,
          backends: [{ name: 'echo', weight: 3, requestHeaders: null, responseHeaders: null }],
          requestTimeoutMs: 90_000,
          attemptTimeoutMs: null,
        },
      ],
    },
  ]);
});

test('of two routes the older comes first, then the one whose name does', () => {
  const aged = (name: string, time: string) =>
    route(RULE, { name }).replace(`name: ${name}`, `name: ${name}, creationTimestamp: "${time}"`);
  const result = load(
    route(RULE, { name: 'b' }),
    route(RULE, { name: 'a' }),
    aged('y', '2026-02-01T00:00:00Z'),
    aged('z', '2026-01-01T00:00:00+01:00'),
  );
  expect(result.ok && result.config.routes.map(({ name }) => name)).toEqual(['z', 'y', 'a', 'b']);
});

test.each<[name: string, documents: string[], problems: string[]]>([
  [
    'unknown parent',
    [route(RULE, { parent: 'name: ehco' })],
    [
      '1.yaml:5:39: HTTPRoute a: spec.parentRefs[0].name: names no service of this sidecar: "ehco" in namespace "demo"; did you mean "echo"?',
    ],
  ],
  [
    'parent of another kind',
    [route(RULE).replace('kind: Service', 'kind: Gateway')],
    ['1.yaml:5:24: HTTPRoute a: spec.parentRefs[0].kind: must be Service, not "Gateway"'],
  ],
  [
    'route of a consumer',
    [route(RULE, { parent: 'name: echo, namespace: prod' })],
    [
      '1.yaml:5:56: HTTPRoute a: spec.parentRefs[0].namespace: is not that of the route, "demo": a route is for its own namespace here; put the route into the namespace of the services that it names',
    ],
  ],
  [
    'what is not done',
    [
      route(
        '    - { sessionPersistence: { type: Cookie }, retry: { attempts: 3 }, filters: [{ type: RequestMirror, cors: {} }] }',
      ),
    ],
    [
      '1.yaml:7:29: HTTPRoute a: spec.rules[0].sessionPersistence: is not supported; a TrafficPolicy says how endpoints are chosen',
      '1.yaml:7:54: HTTPRoute a: spec.rules[0].retry: is not supported; a TrafficPolicy says what is retried',
      '1.yaml:7:110: HTTPRoute a: spec.rules[0].filters[0].cors: is not supported; answer preflight requests in the service',
    ],
  ],
  [
    'filter of another implementation',
    [route('    - { filters: [{ type: CORS }] }')],
    [
      '1.yaml:7:27: HTTPRoute a: spec.rules[0].filters[0].type: must be RequestHeaderModifier or ResponseHeaderModifier or RequestMirror or RequestRedirect or URLRewrite, not "CORS"',
    ],
  ],
  [
    'filter without its section',
    [route('    - { filters: [{ type: URLRewrite, requestMirror: { backendRef: { name: echo } } }] }')],
    [
      '1.yaml:7:19: HTTPRoute a: spec.rules[0].filters[0]: has no urlRewrite, which type URLRewrite needs; add `urlRewrite: {…}`',
      '1.yaml:7:54: HTTPRoute a: spec.rules[0].filters[0].requestMirror: does not go with type URLRewrite; make it a filter of its own',
    ],
  ],
  [
    'framing and trust',
    [
      route(
        '    - { filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: Host, value: x }], remove: [Content-Length] } }] }',
      ),
    ],
    [
      '1.yaml:7:89: HTTPRoute a: spec.rules[0].filters[0].requestHeaderModifier.set[0].name: must not be "host": how a message is framed and who sent it is not for a rule to say; use a URLRewrite filter with a hostname',
      '1.yaml:7:117: HTTPRoute a: spec.rules[0].filters[0].requestHeaderModifier.remove[0]: must not be "content-length": how a message is framed and who sent it is not for a rule to say',
    ],
  ],
  [
    'value that would end a line',
    [
      route(
        '    - { filters: [{ type: ResponseHeaderModifier, responseHeaderModifier: { add: [{ name: a, value: "x\\r\\nb: c" }] } }] }',
      ),
    ],
    [
      '1.yaml:7:101: HTTPRoute a: spec.rules[0].filters[0].responseHeaderModifier.add[0].value: must be at most 4096 characters of Latin-1 without control characters',
    ],
  ],
  [
    'expression that is not of RE2, and one that is too large',
    [
      route(
        '    - { matches: [{ path: { type: RegularExpression, value: "(a)\\\\1" }, headers: [{ name: a, type: RegularExpression, value: "(abc){200}" }] }] }',
      ),
    ],
    [
      '1.yaml:7:61: HTTPRoute a: spec.rules[0].matches[0].path.value: is not a regular expression of RE2: invalid escape sequence: `\\1`',
      '1.yaml:7:126: HTTPRoute a: spec.rules[0].matches[0].headers[0].value: is a regular expression that takes 1002 instructions, and 256 is the most; https://github.com/google/re2/wiki/Syntax says what there is',
    ],
  ],
  [
    'path that is none',
    [route('    - { matches: [{ path: { value: a } }, { path: { value: /a/../b } }] }')],
    [
      '1.yaml:7:36: HTTPRoute a: spec.rules[0].matches[0].path.value: must begin with "/"',
      '1.yaml:7:60: HTTPRoute a: spec.rules[0].matches[1].path.value: must not have "//", "/./", "/../" or "%2F" in it',
    ],
  ],
  [
    'prefix to replace, and none that was matched',
    [
      route(
        '    - { matches: [{ path: { type: Exact, value: /a } }], filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /b } } }] }',
      ),
    ],
    [
      '1.yaml:7:18: HTTPRoute a: spec.rules[0].matches: must be one match with a PathPrefix, which ReplacePrefixMatch replaces; make a rule of each match',
    ],
  ],
  [
    'times that contradict one another',
    [
      route('    - { timeouts: { request: 1s, backendRequest: 2s } }'),
      route('    - { timeouts: { request: 1 s } }', { name: 'b' }),
    ],
    [
      '1.yaml:7:50: HTTPRoute a: spec.rules[0].timeouts.backendRequest: must not be longer than the timeout of the request',
      '2.yaml:7:30: HTTPRoute b: spec.rules[0].timeouts.request: must be a duration in whole hours, minutes, seconds or milliseconds; write it like 500ms, 10s or 1m30s',
    ],
  ],
  [
    'two kinds of routes for one service',
    [route(RULE, { name: 'grpc', kind: 'GRPCRoute' }), route(RULE)],
    [
      '2.yaml:5:39: HTTPRoute a: spec.parentRefs[0].name: is the parent of GRPCRoute grpc, too, and one service has routes of one kind; keep one of the two',
    ],
  ],
  [
    'backend that speaks no HTTP',
    [route('    - { backendRefs: [{ name: redis }] }')],
    [
      '1.yaml:7:31: HTTPRoute a: spec.rules[0].backendRefs[0].name: speaks no HTTP, so that no request can be sent there; set its protocol',
    ],
  ],
  [
    'method of gRPC that is none',
    [route('    - { matches: [{ method: {} }, { method: { service: a/b } }] }', { kind: 'GRPCRoute' })],
    [
      '1.yaml:7:29: GRPCRoute a: spec.rules[0].matches[0].method: must have at least one of service and method; leave `method` out to match every call',
      '1.yaml:7:56: GRPCRoute a: spec.rules[0].matches[1].method.service: must be the name of a service, like helloworld.Greeter',
    ],
  ],
  [
    'policy for a route or a rule that is not there',
    [
      route(RULE),
      policy(
        '{ kind: HTTPRoute, name: b }, { kind: HTTPRoute, name: a, sectionName: two }, { kind: Service, name: echo, sectionName: x }',
      ),
    ],
    [
      '2.yaml:5:136: FaultPolicy p: spec.targetRefs[2].sectionName: is not for a Service; target a rule of a route, or leave it out',
    ],
  ],
  [
    'what is about endpoints, for a route',
    [
      route(RULE),
      policy('{ kind: HTTPRoute, name: a }')
        .replace('FaultPolicy', 'TrafficPolicy')
        .replace('abort: {}', 'loadBalancer: { algorithm: roundRobin }'),
    ],
    [
      '2.yaml:6:3: TrafficPolicy p: spec.loadBalancer: is about the endpoints of a service, and the policy is for an HTTPRoute; attach it to the services to which the route sends requests',
    ],
  ],
  [
    'policy for a rule that is not there',
    [route(RULE), policy('{ kind: HTTPRoute, name: b }, { kind: HTTPRoute, name: a, sectionName: onw }')],
    [
      '2.yaml:5:41: FaultPolicy p: spec.targetRefs[0].name: names no HTTPRoute in namespace "demo"; did you mean "a"?',
      '2.yaml:5:87: FaultPolicy p: spec.targetRefs[1].sectionName: names no rule of HTTPRoute a; did you mean "one"?',
    ],
  ],
])('a route or its policy is refused: %s', (_, documents, problems) => {
  expect(problemsOf(...documents)).toEqual(problems);
});

const ALL = '{ path: { type: PathPrefix, value: / } }';

test.each<[name: string, documents: string[], warnings: string[]]>([
  ['nothing', [route(RULE), policy('{ kind: HTTPRoute, name: a }')], []],
  [
    'hosts',
    [route(RULE, { more: '  hostnames: [example.org]\n' })],
    [
      '1.yaml:6:3: HTTPRoute a: spec.hostnames: has no effect: requests to a Service are routed whatever host they name',
    ],
  ],
  [
    'route of the own service, and of one that speaks no HTTP',
    [route(RULE, { parent: 'name: caller' }), route(RULE, { name: 'b', parent: 'name: redis' })],
    [
      '1.yaml:5:39: HTTPRoute a: spec.parentRefs[0].name: has no effect: routes apply where requests are sent, and this sidecar sends none to "caller"',
      '2.yaml:5:39: HTTPRoute b: spec.parentRefs[0].name: has no effect: "redis" speaks no HTTP',
    ],
  ],
  [
    'backend and mirror that are not there',
    [
      route(
        '    - { filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: gone } } }], backendRefs: [{ name: echo-v3 }] }',
      ),
    ],
    [
      '1.yaml:7:79: HTTPRoute a: spec.rules[0].filters[0].requestMirror.backendRef.name: names no service of this sidecar: "gone" in namespace "demo", so that nothing is mirrored; add it to spec.outbound.services',
      '1.yaml:7:114: HTTPRoute a: spec.rules[0].backendRefs[0].name: names no service of this sidecar: "echo-v3" in namespace "demo", so that its share of the requests is answered with status 500; did you mean "echo-v2"?',
    ],
  ],
  [
    'match that another leaves nothing over for',
    [
      route(`    - { matches: [{ path: { value: /a } }] }
    - { matches: [{ method: GET }, { path: { value: /a/ } }] }`),
      route('    - { matches: [{ path: { value: /a } }] }', { name: 'b' }),
    ],
    [
      '1.yaml:8:36: HTTPRoute a: spec.rules[1].matches[1]: can never match: spec.rules[0] comes first and takes every such request',
      '2.yaml:7:7: HTTPRoute b: spec.rules[0]: can never match: spec.rules[0] of HTTPRoute a comes first and takes every such request',
    ],
  ],
  [
    'match that counts for one port',
    [
      route('    - {}', { parent: 'name: echo, port: 81' }),
      route('    - {}', { name: 'b' }),
      policy('{ kind: HTTPRoute, name: b }'),
    ],
    [],
  ],
  [
    'policy that a more specific one takes the place of everywhere',
    [
      route(`    - { name: one, matches: [${ALL}] }`),
      policy('{ kind: HTTPRoute, name: a, sectionName: one }', 'rule'),
      policy('{ kind: HTTPRoute, name: a }', 'route'),
      policy('{ kind: Service, name: echo }', 'service'),
    ],
    [
      '3.yaml:5:16: FaultPolicy route: spec.targetRefs[0]: has no effect: more specific ones apply to every request: FaultPolicy rule',
      '4.yaml:5:16: FaultPolicy service: spec.targetRefs[0]: has no effect: more specific ones apply to every request: FaultPolicy rule',
    ],
  ],
  [
    'policy of a service whose routes leave requests over',
    [
      route('    - { name: one, matches: [{ path: { value: /a } }] }'),
      policy('{ kind: HTTPRoute, name: a }', 'route'),
      policy('{ kind: Service, name: echo }', 'service'),
    ],
    [],
  ],
  [
    'policy of a rule that can never match',
    [route(RULE), route(RULE, { name: 'b' }), policy('{ kind: HTTPRoute, name: b }')],
    [
      '2.yaml:7:7: HTTPRoute b: spec.rules[0]: can never match: spec.rules[0] of HTTPRoute a comes first and takes every such request',
      '3.yaml:5:16: FaultPolicy p: spec.targetRefs[0]: has no effect: no request can get there',
    ],
  ],
])('a config is right, and a part of it has no effect: %s', (_, documents, warnings) => {
  expect(warningsOf(...documents)).toEqual(warnings);
});
