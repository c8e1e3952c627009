import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AUTHORITY, EXAMPLE, edit, FILES_LINE, parse, problemsOf } from './example.fixture.ts';
import { loadConfig } from './load.ts';
import { formatProblem } from './problem.ts';
import { POLICIES } from './resources.ts';

const NO_POLICIES_CONFIG = Object.fromEntries(Object.keys(POLICIES).map((key) => [key, []]));

describe('a valid file', () => {
  test('becomes a frozen config with defaults, split addresses and absolute paths', () => {
    const result = parse(EXAMPLE);
    expect(result.ok && result.config).toEqual({
      name: 'gateway-1',
      namespace: 'demo',
      service: 'gateway',
      zone: '',
      identity: {
        trustDomain: 'demo.tulle.test',
        minTlsVersion: 'TLSv1.3',
        source: {
          kind: 'authority',
          url: 'https://127.0.0.1:9443',
          rootsFile: '/etc/tulle/roots.pem',
          evidence: { kind: 'join-token', file: '/etc/tulle/join-token' },
          stateDir: null,
          foreignTrustDomains: [],
        },
      },
      control: null,
      admin: { listen: { host: '127.0.0.1', port: 0 } },
      inbound: [
        {
          name: 'http',
          listen: { host: '127.0.0.1', port: 0 },
          mtls: 'strict',
          protocol: 'auto',
          target: { host: '127.0.0.1', port: 8080 },
        },
      ],
      inboundCapture: null,
      outbound: {
        listen: { host: '127.0.0.1', port: 0 },
        capture: null,
        services: [
          {
            host: 'webhook-dispatcher',
            mtls: 'strict',
            identity: 'spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher',
            name: 'webhook-dispatcher',
            namespace: 'demo',
            protocol: 'auto',
            listen: null,
            addresses: [],
            endpoints: [
              { host: '127.0.0.1', port: 15_006, weight: 1, zone: '' },
              { host: '::1', port: 15_006, weight: 1, zone: '' },
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
        detectMs: 100,
        tcpIdleMs: 3_600_000,
      },
      headers: { requestId: true, forwarded: true },
      telemetry: {
        accessLog: { kind: 'file', path: '/etc/tulle/logs/access.log' },
        audit: { decisions: 'refused', path: null },
        keyPrefixes: false,
        baggage: { fromStrangers: [], toStrangers: [] },
        serverTiming: 'off',
        metrics: { maxTrafficSeries: 100_000, nativeHistograms: false },
        traces: {
          endpoint: 'http://127.0.0.1:4317',
          headSampleRatio: 0.01,
          intake: null,
          slowShare: 0.005,
          ringSpans: 16_384,
        },
      },
      accessDefault: 'allow',
      routes: [],
      policies: NO_POLICIES_CONFIG,
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
      telemetry: { accessLog: { kind: 'stdout' }, keyPrefixes: false, traces: null },
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

describe('a refused file is told', () => {
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
    ['/dev/null', null, 'is not a regular file; give the path of a YAML file'],
    ['empty', undefined, 'is a folder without a YAML file; add a file *.yaml'],
    ['latin1.yaml', Buffer.from([0x61, 0x3a, 0xe9]), 'is not UTF-8 text; save it as UTF-8'],
    [
      'huge.yaml',
      Buffer.alloc(1_048_577, 0x20),
      'is larger than 1048576 bytes; check that it is the right file',
    ],
  ])('says why %s cannot be read', async (name, content, message) => {
    const file = resolve(folder, name);
    if (content === undefined) await mkdir(file);
    else if (content !== null) await writeFile(file, content);
    const result = await loadConfig(file);
    expect(!result.ok && result.problems.map(formatProblem)).toEqual([`${file}: ${message}`]);
    expect(result.version).toBeNull();
  });
});
