import { expect, test } from 'vitest';
import { parseConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';

const sidecar = (inbound: string) => `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: orders-1, namespace: demo }
spec: { service: orders, inbound: [{ name: http, listen: '127.0.0.1:0', mtls: off, target: '127.0.0.1:8080', ${inbound} }] }
`;

function load(spec: string, inbound = 'protocol: http') {
  const policy = `apiVersion: mesh.tulle.dev/v1alpha1
kind: WafPolicy
metadata: { name: orders }
spec:
  targetRefs: [{ kind: Service, name: orders }]
${spec.replace(/^/gm, '  ')}
`;
  return parseConfig([{ file: 'mesh.yaml', text: `${sidecar(inbound)}---\n${policy}` }], '/etc/tulle');
}

const problemsOf = (spec: string) => {
  const result = load(spec);
  return result.ok ? [] : result.problems.map(formatProblem).map((line) => line.replace(/^.*?spec\./, ''));
};

test('a policy needs to say nothing, and is safe then', () => {
  const result = load('');
  expect(result.ok && result.config.policies.waf[0]).toMatchObject({
    ...{ name: 'orders', namespace: 'demo' },
    spec: {
      ...{ mode: 'enforce', paranoia: 1, threshold: 5, exceptions: [] },
      body: { onOversize: 'refuse', onUnparsable: 'refuse', onUnknownType: 'inspect', onGrpc: 'refuse' },
    },
  });
});

test('exceptions name rules, tags, locations and paths', () => {
  const exceptions = [
    '{ rules: [sqli-union, xss] }',
    '{ location: json.comment* }',
    '{ rules: [sqli], location: query.q, paths: [/search, /admin/*] }',
  ];
  expect(problemsOf(`exceptions: [${exceptions.join(', ')}]`)).toEqual([]);
});

test.each([
  [
    'exceptions: [{ rules: [sqli-unoin] }]',
    'exceptions[0].rules[0]: is no rule and no tag of rules; did you mean "sqli-union"?',
  ],
  ['exceptions: [{ rules: [9421] }]', 'exceptions[0].rules[0]: must be text, not a number'],
  [
    'exceptions: [{ paths: [/search] }]',
    'exceptions[0]: would except everything; give it `rules` or a `location`, or attach a policy with `mode: off`',
  ],
  [
    'exceptions: [{ rules: [sqli], paths: [/a/../b] }]',
    'exceptions[0].paths[0]: can be read in more than one way',
  ],
  ['exceptions: [{ location: "" }]', 'exceptions[0].location: must be 1 to 256 characters'],
  ['paranoia: 4', 'paranoia: must be 1 or 2 or 3, not 4'],
  ['body: { onOversize: reject }', 'body.onOversize: must be refuse or inspectPrefix or pass, not "reject"'],
  ['body: { maxBytes: 2000000 }', 'body.maxBytes: must be at most 1048576, not 2000000'],
  ['threshhold: 5', 'threshhold: is not a known key; did you mean `threshold`?'],
])('%s', (spec, problem) => expect(problemsOf(spec).join('\n')).toContain(problem));

test.each([
  ['http', []],
  ['http2', []],
  ['auto', ['can be got around at inbound "http", where what does not begin as HTTP is passed on unread']],
  ['tcp', ['has no effect: "orders" speaks no HTTP, which is all that policies see']],
])('behind %s it is told what is not read', (protocol, warnings) => {
  const result = load('', `protocol: ${protocol}`);
  expect(result.ok && result.warnings.map(({ message }) => message)).toEqual(warnings);
});
