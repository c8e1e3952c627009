import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EXAMPLE } from './example.fixture.ts';
import { type ConfigText, parseConfig } from './load.ts';
import { formatProblem } from './problem.ts';
import { DOCUMENT_KINDS } from './resources.ts';

const ENTRY = EXAMPLE.replace(
  '        endpoints: [127.0.0.1:15006, "[::1]:15006"]\n',
  '        endpoints: [127.0.0.1:15006, "[::1]:15006"]\n' +
    '      - { host: redis.demo.svc, name: redis, protocol: redis, mtls: off, listen: 127.0.0.1:0, endpoints: [127.0.0.1:6379] }\n',
);

const KINDS = [...DOCUMENT_KINDS.keys()];

/** A policy as its author would write it, on the outbound service unless said. */
function fault(name: string, target = 'webhook-dispatcher', spec = 'delay: { delayMs: 5 }'): string {
  return [
    'apiVersion: mesh.tulle.dev/v1alpha1',
    'kind: FaultPolicy',
    `metadata: { name: ${name} }`,
    'spec:',
    `  targetRefs: [{ kind: Service, name: ${target} }]`,
    `  ${spec}`,
    '',
  ].join('\n');
}

/** The same for all: of two that tie, the order of their names decides. */
function route(name: string): string {
  return [
    'apiVersion: gateway.networking.k8s.io/v1',
    'kind: HTTPRoute',
    `metadata: { name: ${name} }`,
    'spec:',
    '  parentRefs: [{ kind: Service, name: webhook-dispatcher }]',
    '  rules: [{ backendRefs: [{ name: webhook-dispatcher }] }]',
    '',
  ].join('\n');
}

function load(...texts: string[]) {
  return parseConfig(
    texts.map((text, index): ConfigText => ({ file: `${index}.yaml`, text })),
    '/etc/tulle',
  );
}

function problemsOf(...texts: string[]): string[] {
  const result = load(...texts);
  return result.ok ? [] : result.problems.map(formatProblem);
}

function warningsOf(...texts: string[]): string[] {
  const result = load(...texts);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.warnings.map(formatProblem);
}

describe('several documents', () => {
  test('make one config, in whatever order and files they stand', () => {
    const documents = [
      ...[ENTRY, fault('a'), fault('b', 'gateway', 'abort: { httpStatus: 500 }'), route('a'), route('b')],
      fault('c').replace('kind: Service, name: webhook-dispatcher', 'kind: HTTPRoute, name: a'),
    ];
    const expected = load(documents.join('---\n'));
    if (!expected.ok) throw new Error(problemsOf(documents.join('---\n')).join('\n'));
    expect(expected.config.policies.fault).toMatchObject([
      { name: 'a', namespace: 'demo', targets: [{ kind: 'Service', name: 'webhook-dispatcher' }] },
      { name: 'b', namespace: 'demo', targets: [{ kind: 'Service', name: 'gateway' }] },
      { name: 'c', namespace: 'demo', targets: [{ kind: 'HTTPRoute', name: 'a' }] },
    ]);
    const cutAnywhere = fc.array(fc.boolean(), { minLength: documents.length, maxLength: documents.length });
    const order = fc.shuffledSubarray(documents, { minLength: documents.length });
    fc.assert(
      fc.property(order, cutAnywhere, (shuffled, cuts) => {
        const texts: string[] = [];
        shuffled.forEach((document, index) => {
          if (index > 0 && cuts[index - 1] === false) texts[texts.length - 1] += `---\n${document}`;
          else texts.push(document);
        });
        const result = load(...texts);
        expect(result.ok && result.config).toEqual(expected.config);
        expect(result.ok && result.warnings.length).toBe(expected.warnings.length);
      }),
    );
  });

  test('are kept as one text that means the same', () => {
    const result = load(
      `%YAML 1.2\n---\n${ENTRY}`,
      `${fault('a')}---\n# nothing\n`,
      '# nothing',
      fault('b', 'gateway'),
    );
    expect(result).toMatchObject({ ok: true });
    const again = load(result.ok ? result.text : '');
    expect(again.ok && again.config).toEqual(result.ok && result.config);
    expect(again.version).toBe(result.version);
  });
});

describe('what is wrong with documents is told with file, line, column, kind and name', () => {
  test.each<[name: string, texts: string[], problems: string[]]>([
    [
      'no Sidecar',
      [fault('a')],
      [
        '0.yaml:1:1: there is no document of kind Sidecar, which every config needs; add one that begins with `kind: Sidecar`',
      ],
    ],
    [
      'two Sidecars',
      [ENTRY, fault('a'), EXAMPLE],
      ['2.yaml:1:1: is a second Sidecar; the first is at 0.yaml:1; keep one of the two'],
    ],
    ['no mapping', [ENTRY, '- a'], ['1.yaml:1:1: must be a mapping, not a list']],
    [
      'misspelt kind',
      [ENTRY, fault('a').replace('FaultPolicy', 'FaultPolcy')],
      [`1.yaml:2:7: kind: must be ${KINDS.join(' or ')}, not "FaultPolcy"; did you mean "FaultPolicy"?`],
    ],
    [
      'no kind',
      [ENTRY, fault('a').replace('kind: FaultPolicy\n', '')],
      [`1.yaml:1:1: kind: is required; write one of ${KINDS.join(', ')}`],
    ],
    [
      'misspelt key, in the second document of a file',
      [`${ENTRY}---\n${fault('a').replace('delayMs', 'delaysMs')}`],
      ['0.yaml:33:12: FaultPolicy a: spec.delay.delaysMs: is not a known key; did you mean `delayMs`?'],
    ],
    [
      'policy that says nothing',
      [ENTRY, fault('a', 'gateway', 'mode: shadow')],
      [
        '1.yaml:5:3: FaultPolicy a: spec: must have at least one of delay and abort; add `delay: { delayMs: 200 }` or `abort: { httpStatus: 503 }`',
      ],
    ],
    [
      'unknown target',
      [ENTRY, fault('a', 'webhook-dispatchr')],
      [
        '1.yaml:5:39: FaultPolicy a: spec.targetRefs[0].name: names no service of this sidecar: "webhook-dispatchr" in namespace "demo"; did you mean "webhook-dispatcher"?',
      ],
    ],
    [
      'target in another namespace',
      [ENTRY, fault('a').replace('name: a', 'name: a, namespace: prod')],
      [
        '1.yaml:5:39: FaultPolicy a: spec.targetRefs[0].name: names no service of this sidecar: "webhook-dispatcher" in namespace "prod"; it is in namespace "demo"',
      ],
    ],
    [
      'two of a kind on one target',
      [fault('b'), ENTRY, fault('a')],
      [
        '0.yaml:5:39: FaultPolicy b: spec.targetRefs[0].name: is a target of FaultPolicy a, too, and only one of a kind can apply; keep one of the two',
      ],
    ],
    [
      'one name twice',
      [ENTRY, fault('a'), fault('a', 'gateway')],
      [
        '2.yaml:3:19: FaultPolicy a: metadata.name: is the name of another document of this kind; give each a name of its own',
      ],
    ],
    [
      'one service twice',
      [ENTRY.replace('name: redis,', 'name: webhook-dispatcher,')],
      [
        '0.yaml:22:39: spec.outbound.services[1].name: has the name of spec.outbound.services[0], by which documents refer to it; give one of them a `name` of its own',
      ],
    ],
    [
      'header twice',
      [
        ENTRY,
        fault('a', 'gateway', 'headers: [{ name: x-a, value: b }, { name: X-A, value: c }]\n  abort: {}'),
      ],
      ['1.yaml:6:46: FaultPolicy a: spec.headers[1].name: repeats "x-a"; keep one of the two'],
    ],
  ])('%s', (_, texts, problems) => {
    expect(problemsOf(...texts)).toEqual(problems);
  });
});

test('a policy that never takes effect is a warning', () => {
  expect(warningsOf(ENTRY, fault('a', 'redis'))).toEqual([
    '1.yaml:5:39: FaultPolicy a: spec.targetRefs[0].name: has no effect: "redis" speaks no HTTP, which is all that policies see',
  ]);
  expect(warningsOf(ENTRY, fault('a', 'gateway'), fault('b'))).toEqual([]);
});
