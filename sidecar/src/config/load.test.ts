import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig, parseConfig } from './load.ts';
import { formatProblem } from './problem.ts';

const EXAMPLE = `apiVersion: mesh.tulle.dev/v1alpha1
kind: Sidecar
metadata: { name: gateway-1, namespace: demo }
spec:
  service: gateway
  identity:
    trustDomain: demo.tulle.test
    authority:
      url: https://127.0.0.1:9443
      rootsFile: roots.pem
      tokenFile: join-token
  admin: { listen: 127.0.0.1:0 }
  inbound:
    - { name: http, listen: 127.0.0.1:0, mtls: strict, target: 127.0.0.1:8080 }
  outbound:
    listen: 127.0.0.1:0
    services:
      - host: webhook-dispatcher
        mtls: strict
        identity: spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher
        endpoints: [127.0.0.1:15006, "[::1]:15006"]
  timeouts: { headMs: 10000, bodyIdleMs: 30000 }
  telemetry:
    accessLog: logs/access.log
    traces: { endpoint: http://127.0.0.1:4317, headSampleRatio: 0.01 }
`;

const FILES_LINE = '    files: { certificate: svid.pem, key: /run/svid.key, roots: roots.pem }\n';
const AUTHORITY = EXAMPLE.slice(EXAMPLE.indexOf('    authority:'), EXAMPLE.indexOf('  admin:'));
const IDENTITY = EXAMPLE.slice(EXAMPLE.indexOf('  identity:\n'), EXAMPLE.indexOf('  admin:'));

function parse(text: string) {
  return parseConfig(text, { file: 'sidecar.yaml', folder: '/etc/tulle' });
}

function problemsOf(text: string): string[] {
  const result = parse(text);
  return result.ok
    ? []
    : result.problems.map((problem) => formatProblem(problem).replace('sidecar.yaml:', ''));
}

/** The example with one place changed; the place must be there, or the test would prove nothing. */
function edit(from: string, to: string): string {
  expect(EXAMPLE).toContain(from);
  return EXAMPLE.replace(from, to);
}

describe('a valid file', () => {
  test('becomes a frozen config with defaults, split addresses and absolute paths', () => {
    const result = parse(EXAMPLE);
    expect(result.ok && result.config).toEqual({
      name: 'gateway-1',
      namespace: 'demo',
      service: 'gateway',
      identity: {
        trustDomain: 'demo.tulle.test',
        source: {
          kind: 'authority',
          url: 'https://127.0.0.1:9443',
          rootsFile: '/etc/tulle/roots.pem',
          tokenFile: '/etc/tulle/join-token',
        },
      },
      admin: { listen: { host: '127.0.0.1', port: 0 } },
      inbound: [
        {
          name: 'http',
          listen: { host: '127.0.0.1', port: 0 },
          mtls: 'strict',
          target: { host: '127.0.0.1', port: 8080 },
        },
      ],
      outbound: {
        listen: { host: '127.0.0.1', port: 0 },
        services: [
          {
            host: 'webhook-dispatcher',
            mtls: 'strict',
            identity: 'spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher',
            endpoints: [
              { host: '127.0.0.1', port: 15_006 },
              { host: '::1', port: 15_006 },
            ],
          },
        ],
      },
      timeouts: {
        headMs: 10_000,
        bodyIdleMs: 30_000,
        idleMs: 60_000,
        connectMs: 2_000,
        upstreamMs: 15_000,
        drainMs: 10_000,
      },
      telemetry: {
        accessLog: { kind: 'file', path: '/etc/tulle/logs/access.log' },
        traces: { endpoint: 'http://127.0.0.1:4317', headSampleRatio: 0.01 },
      },
    });
    expect(() => {
      if (result.ok) (result.config.timeouts as { headMs: number }).headMs = 1;
    }).toThrow(TypeError);
  });

  test('may say as little as name and service', () => {
    const result = parse(
      'apiVersion: mesh.tulle.dev/v1alpha1\nkind: Sidecar\nmetadata: {name: a}\nspec: {service: b}\n',
    );
    expect(result.ok && result.config).toMatchObject({
      namespace: 'default',
      identity: null,
      admin: { listen: { host: '127.0.0.1', port: 0 } },
      inbound: [],
      outbound: null,
      telemetry: { accessLog: { kind: 'stdout' }, traces: null },
    });
  });

  test('may take its identity from files', () => {
    const result = parse(EXAMPLE.replace(AUTHORITY, FILES_LINE));
    expect(result.ok && result.config.identity?.source).toEqual({
      kind: 'files',
      certificateFile: '/etc/tulle/svid.pem',
      keyFile: '/run/svid.key',
      rootsFile: '/etc/tulle/roots.pem',
    });
  });

  test('has a version that follows its text', () => {
    expect(parse(EXAMPLE).version).toMatch(/^[0-9a-f]{12}$/);
    expect(parse(EXAMPLE).version).toBe(parse(EXAMPLE).version);
    expect(parse(EXAMPLE).version).not.toBe(parse(`${EXAMPLE}# note\n`).version);
  });
});

describe('a refused file names each problem with line, column and suggestion', () => {
  const mtlsSuggestion = 'add spec.identity, or set `mtls: off`';
  const cases: [name: string, text: () => string, problems: string[]][] = [
    [
      'misspelt key',
      () => edit('  inbound:', '  inbuond:'),
      ['13:3: spec.inbuond: is not a known key; did you mean `inbound`?'],
    ],
    [
      'misspelt required key, told once',
      () => edit('  service: gateway', '  servce: gateway'),
      ['5:3: spec.servce: is not a known key; did you mean `service`?'],
    ],
    [
      'key in the wrong place',
      () => edit('kind: Sidecar', 'kind: Sidecar\nheadMs: 1'),
      ['3:1: headMs: is not a known key; `headMs` belongs in spec.timeouts'],
    ],
    [
      'key of several other places',
      () => edit('mtls: strict, target', 'endpoint: x, mtls: strict, target'),
      ['14:42: spec.inbound[0].endpoint: is not a known key; `endpoint` belongs in spec.telemetry.traces'],
    ],
    [
      'foreign key',
      () => edit('kind: Sidecar', 'kind: Sidecar\n"q q": 1'),
      ['3:1: ["q q"]: is not a known key'],
    ],
    [
      'no space after a colon',
      () => edit('{ headMs: 10000', '{ headMs:10000'),
      ['22:15: spec.timeouts["headMs:…"]: is not a known key; put a space after the colon of `headMs:`'],
    ],
    ['missing key', () => edit('  service: gateway\n', ''), ['4:1: spec.service: is required']],
    ['missing key in a list', () => edit('name: http, ', ''), ['14:7: spec.inbound[0].name: is required']],
    [
      'missing key with one value',
      () => edit('kind: Sidecar\n', ''),
      ['1:1: kind: is required; write `kind: Sidecar`'],
    ],
    [
      'empty value',
      () => edit('  service: gateway', '  service:'),
      ['5:3: spec.service: must be text, not nothing'],
    ],
    [
      'wrong kind',
      () => edit('kind: Sidecar', 'kind: Gateway'),
      ['2:7: kind: must be Sidecar, not "Gateway"'],
    ],
    [
      'wrong version of the API',
      () => edit('v1alpha1', 'v1alpha2'),
      [
        '1:13: apiVersion: must be mesh.tulle.dev/v1alpha1, not "mesh.tulle.dev/v1alpha2"; did you mean "mesh.tulle.dev/v1alpha1"?',
      ],
    ],
    [
      'misspelt choice',
      () => edit('mtls: strict, target', 'mtls: strct, target'),
      ['14:48: spec.inbound[0].mtls: must be strict or off, not "strct"; did you mean "strict"?'],
    ],
    [
      'scalar for a mapping',
      () => edit('{ headMs: 10000, bodyIdleMs: 30000 }', '10000'),
      ['22:13: spec.timeouts: must be a mapping, not 10000'],
    ],
    [
      'scalar for a list',
      () => edit('[127.0.0.1:15006, "[::1]:15006"]', '127.0.0.1:15006'),
      ['21:20: spec.outbound.services[0].endpoints: must be a list, not "127.0.0.1:15006"'],
    ],
    [
      'list for text',
      () => edit('target: 127.0.0.1:8080', 'target: [a]'),
      [
        '14:64: spec.inbound[0].target: must be text, not a list; text that starts with "[" needs quotes: "[::1]:8080"',
      ],
    ],
    [
      'number for text',
      () => edit('service: gateway', 'service: 12'),
      ['5:12: spec.service: must be text, not a number; put it in quotes'],
    ],
    [
      'name with capitals',
      () => edit('name: gateway-1', 'name: Gateway'),
      ['3:19: metadata.name: must be lower-case letters, digits, "-" or ".", at most 253 characters'],
    ],
    [
      'listener name that is no label',
      () => edit('name: http,', 'name: http-,'),
      [
        '14:15: spec.inbound[0].name: must be 1 to 63 lower-case letters, digits or "-", starting and ending with no "-"',
      ],
    ],
    [
      'malformed trust domain',
      () => EXAMPLE.replace('trustDomain: demo', 'trustDomain: Demo').replace(/ {8}identity:.*\n/, ''),
      [
        '7:18: spec.identity.trustDomain: must be lower-case letters, digits, ".", "-" or "_", like demo.example.org',
        '18:9: spec.outbound.services[0].identity: is required with mtls strict: it says who the peer must be; write `identity: spiffe://<trust domain>/ns/<namespace>/sa/<service account>`',
      ],
    ],
    [
      'identity from two sources',
      () => edit('  admin:', `${FILES_LINE}  admin:`),
      [
        '6:3: spec.identity: must have exactly one of authority and files, and has both; use authority for certificates from the mesh CA, files for certificates of your own',
      ],
    ],
    [
      'identity from nowhere',
      () => EXAMPLE.replace(AUTHORITY, ''),
      [
        '6:3: spec.identity: must have exactly one of authority and files, and has neither; use authority for certificates from the mesh CA, files for certificates of your own',
      ],
    ],
    [
      'token sent in clear',
      () => edit('https://127', 'http://127'),
      ['9:12: spec.identity.authority.url: must use https; write https://host:port'],
    ],
    [
      'credentials in a URL',
      () => edit('http://127.0.0.1:4317', 'http://u:p@127.0.0.1:4317'),
      ['25:25: spec.telemetry.traces.endpoint: must not hold credentials; write http://host:port'],
    ],
    [
      'query in a URL',
      () => edit('http://127.0.0.1:4317', 'http://127.0.0.1:4317?key=1'),
      ['25:25: spec.telemetry.traces.endpoint: must not have a query or a fragment; write http://host:port'],
    ],
    [
      'no URL',
      () => edit('http://127.0.0.1:4317', 'nowhere'),
      ['25:25: spec.telemetry.traces.endpoint: is not a URL; write http://host:port'],
    ],
    [
      'admin for everyone',
      () => edit('admin: { listen: 127.0.0.1:0 }', 'admin: { listen: 0.0.0.0:9901 }'),
      [
        '12:20: spec.admin.listen: must be a loopback address: the admin endpoint has no authentication; did you mean "127.0.0.1:9901"?',
      ],
    ],
    [
      'port out of range',
      () => edit('target: 127.0.0.1:8080', 'target: 127.0.0.1:80800'),
      ['14:64: spec.inbound[0].target: has a port out of range: "80800"; use 1 to 65535'],
    ],
    [
      'bare IPv6 address',
      () => edit('target: 127.0.0.1:8080', 'target: [::1]:8080'),
      [
        '14:69: is not valid YAML: Missing , between flow map items; put quotes around an IPv6 address: "[::1]:8080"',
      ],
    ],
    [
      'strict listener without identity',
      () => EXAMPLE.replace(IDENTITY, '').replace(/ {8}mtls: strict\n {8}identity:.*/, '        mtls: off'),
      [
        `8:48: spec.inbound[0].mtls: is strict, but the sidecar has no spec.identity to prove who it is; ${mtlsSuggestion}`,
      ],
    ],
    [
      'strict by default without identity',
      () =>
        EXAMPLE.replace(IDENTITY, '')
          .replace('mtls: strict, target', 'mtls: off, target')
          .replace(/ {8}mtls: strict\n/, ''),
      [
        `12:9: spec.outbound.services[0].mtls: is strict by default, but the sidecar has no spec.identity to prove who it is; ${mtlsSuggestion}`,
      ],
    ],
    [
      'strict service that trusts nobody',
      () => EXAMPLE.replace(/ {8}identity:.*\n/, ''),
      [
        '18:9: spec.outbound.services[0].identity: is required with mtls strict: it says who the peer must be; write `identity: spiffe://<trust domain>/ns/<namespace>/sa/<service account>`',
      ],
    ],
    [
      'peer identity that is none',
      () => edit('spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher', 'webhook-dispatcher'),
      [
        '20:19: spec.outbound.services[0].identity: does not start with spiffe://, so it is no SPIFFE id; write spiffe://<trust domain>/ns/<namespace>/sa/<service account>',
      ],
    ],
    [
      'peer of another trust domain',
      () => edit('spiffe://demo.tulle.test/ns', 'spiffe://demo.tule.test/ns'),
      [
        '20:19: spec.outbound.services[0].identity: is in trust domain demo.tule.test, while spec.identity trusts "demo.tulle.test" alone; did you mean "spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher"?',
      ],
    ],
    [
      'peer identity nobody verifies',
      () => edit('        mtls: strict\n', '        mtls: off\n'),
      [
        '20:9: spec.outbound.services[0].identity: has no effect with mtls off, as nothing would verify the peer; set `mtls: strict`, or remove the identity',
      ],
    ],
    [
      'two listeners of one name',
      () =>
        edit('  outbound:', '    - { name: http, listen: 127.0.0.1:0, target: 127.0.0.1:8081 }\n  outbound:'),
      ['15:15: spec.inbound[1].name: repeats spec.inbound[0].name; give every listener a name of its own'],
    ],
    [
      'two services of one host, whatever the case',
      () =>
        edit(
          '  timeouts:',
          '      - { host: Webhook-Dispatcher, mtls: off, endpoints: [127.0.0.1:1] }\n  timeouts:',
        ),
      [
        '22:17: spec.outbound.services[1].host: repeats spec.outbound.services[0].host; list all endpoints of a host under one service',
      ],
    ],
    [
      'one address listened on twice',
      () =>
        EXAMPLE.replace('admin: { listen: 127.0.0.1:0 }', 'admin: { listen: 127.0.0.1:9901 }').replace(
          '    listen: 127.0.0.1:0',
          '    listen: 127.0.0.1:9901',
        ),
      ['16:13: spec.outbound.listen: repeats spec.admin.listen; use another port, or 0 for any free one'],
    ],
    [
      'host with a port',
      () => edit('host: webhook-dispatcher', 'host: webhook-dispatcher:80'),
      [
        '18:15: spec.outbound.services[0].host: must be a host name or an IP address, without a port; did you mean "webhook-dispatcher"?',
      ],
    ],
    [
      'no endpoints',
      () => edit('[127.0.0.1:15006, "[::1]:15006"]', '[]'),
      ['21:20: spec.outbound.services[0].endpoints: must have at least 1 entry'],
    ],
    [
      'too many endpoints',
      () => edit('[127.0.0.1:15006, ', `[${'127.0.0.1:15006, '.repeat(256)}`),
      ['21:20: spec.outbound.services[0].endpoints: must have at most 256 entries'],
    ],
    [
      'no timeout at all',
      () => edit('headMs: 10000', 'headMs: 0'),
      ['22:23: spec.timeouts.headMs: must be at least 1, not 0'],
    ],
    [
      'timeout without end',
      () => edit('headMs: 10000', 'headMs: 3600001'),
      ['22:23: spec.timeouts.headMs: must be at most 3600000, not 3600001'],
    ],
    [
      'timeout with a unit',
      () => edit('headMs: 10000', 'headMs: 1.5s'),
      ['22:23: spec.timeouts.headMs: must be a number, not "1.5s"; durations are whole milliseconds: 1500'],
    ],
    [
      'quoted timeout',
      () => edit('headMs: 10000', "headMs: '10000'"),
      ['22:23: spec.timeouts.headMs: must be a number, not "10000"; remove the quotes'],
    ],
    [
      'fraction of a millisecond',
      () => edit('headMs: 10000', 'headMs: 1.5'),
      ['22:23: spec.timeouts.headMs: must be a whole number, not 1.5'],
    ],
    [
      'ratio above one',
      () => edit('headSampleRatio: 0.01', 'headSampleRatio: 1.01'),
      ['25:65: spec.telemetry.traces.headSampleRatio: must be at most 1, not 1.01'],
    ],
    [
      'access log that is probably misspelt',
      () => edit('accessLog: logs/access.log', 'accessLog: stdot'),
      [
        '24:16: spec.telemetry.accessLog: must be stdout, off or the path of a file; to log into a file of that name write a path, like ./access.log',
      ],
    ],
    ['empty file', () => '# nothing\n', ['1:1: must be a mapping, not nothing']],
    ['a list', () => '- a\n', ['1:1: must be a mapping, not a list']],
    [
      'key twice',
      () => edit('  service: gateway\n', '  service: gateway\n  service: gateway\n'),
      ['6:3: has the same key twice; remove one of them'],
    ],
    [
      'second document',
      () => `${EXAMPLE}---\na: 1\n`,
      ['26:1: starts a second document; keep one document in the file'],
    ],
    [
      'tab',
      () => edit('  service: gateway', '\tservice: gateway'),
      ['5:1: is indented with a tab; indent with spaces'],
    ],
    [
      'alias',
      () => edit('service: gateway', 'service: *name'),
      ['5:12: uses a YAML alias, which is not supported; write the value out'],
    ],
    [
      'tag',
      () => edit('service: gateway', 'service: !env HOME'),
      ['5:12: has a YAML tag, which is not supported; remove the !tag'],
    ],
    [
      'key that is a list',
      () => edit('kind: Sidecar', 'kind: Sidecar\n? [a]\n: b'),
      ['3:3: has a list or a mapping as a key; use a plain name'],
    ],
  ];

  test.each(cases)('%s', (_, text, problems) => {
    expect(problemsOf(text())).toEqual(problems);
  });

  test('all problems at once, in reading order', () => {
    const text = EXAMPLE.replace('kind: Sidecar', 'kind: Sidecars')
      .replace('  service: gateway\n', '  service: gateway\n  service: gateway\n')
      .replace('target: 127.0.0.1:8080', 'target: 127.0.0.1')
      .replace('  timeouts:', '  timeout:')
      .replace('headSampleRatio: 0.01', 'headSampleRatio: -1');
    expect(problemsOf(text).map((problem) => /^\d+:\d+/.exec(problem)?.[0])).toEqual([
      '2:7',
      '6:3',
      '15:64',
      '23:3',
      '26:65',
    ]);
  });

  test('never with the value of a key that names a file, where a secret may stand by mistake', () => {
    for (const value of [
      ': "hunter2\\nhunter2"',
      ': ["hunter2"]',
      ': !hunter2 hunter2',
      ': *hunter2',
      ': hunter2: hunter2',
      ': 4242424242',
      ':hunter2',
      ':\n      {rootsFile:hunter2}',
    ]) {
      const problems = problemsOf(edit('tokenFile: join-token', `tokenFile${value}`));
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join()).not.toMatch(/hunter2|4242/);
    }
  });
});

describe('loadConfig', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tulle-load-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('resolves paths from the folder of the file', async () => {
    const file = join(folder, 'sidecar.yaml');
    await writeFile(file, EXAMPLE);
    const result = await loadConfig(file);
    expect(result.ok && result.config.telemetry.accessLog).toEqual({
      kind: 'file',
      path: join(folder, 'logs/access.log'),
    });
  });

  test('reads a file that starts with a byte order mark and has Windows line ends', async () => {
    const file = join(folder, 'windows.yaml');
    await writeFile(
      file,
      `\uFEFF${EXAMPLE.replaceAll('\n', '\r\n').replace('kind: Sidecar', 'kind: Sidecars')}`,
    );
    const result = await loadConfig(file);
    expect(!result.ok && result.problems).toMatchObject([{ line: 2, column: 7 }]);
  });

  test.each([
    ['absent.yaml', null, 'does not exist; check the path and the working directory'],
    ['.', null, 'is not a regular file; give the path of a YAML file'],
    ['latin1.yaml', Buffer.from([0x61, 0x3a, 0xe9]), 'is not UTF-8 text; save it as UTF-8'],
    [
      'huge.yaml',
      Buffer.alloc(1_048_577, 0x20),
      'is larger than 1048576 bytes; check that it is the right file',
    ],
  ])('says why %s cannot be read', async (name, content, message) => {
    const file = join(folder, name);
    if (content !== null) await writeFile(file, content);
    const result = await loadConfig(file);
    expect(!result.ok && result.problems.map(formatProblem)).toEqual([`${file}: ${message}`]);
    expect(result.version).toBeNull();
  });
});
