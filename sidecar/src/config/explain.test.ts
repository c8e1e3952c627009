import { expect, test } from 'vitest';
import { edit, problemsOf } from './example.fixture.ts';
import { DOCUMENT_KINDS } from './resources.ts';

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
    [`2:7: kind: must be ${[...DOCUMENT_KINDS.keys()].join(' or ')}, not "Gateway"`],
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
    ['14:48: spec.inbound[0].mtls: must be strict or permissive or off, not "strct"; did you mean "strict"?'],
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
    'misspelt key of an endpoint',
    () => edit('127.0.0.1:15006', '{ address: 127.0.0.1:15006, wieght: 2 }'),
    ['21:49: spec.outbound.services[0].endpoints[0].wieght: is not a known key; did you mean `weight`?'],
  ],
  [
    'weight of an endpoint',
    () => edit('127.0.0.1:15006', '{ address: 127.0.0.1:15006, weight: 0 }'),
    ['21:57: spec.outbound.services[0].endpoints[0].weight: must be at least 1, not 0'],
  ],
  [
    'number for an endpoint',
    () => edit('[127.0.0.1:15006,', '[15006,'),
    ['21:21: spec.outbound.services[0].endpoints[0]: must be an address or a mapping with one, not 15006'],
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
    'peer identity that is none',
    () => edit('spiffe://demo.tulle.test/ns/demo/sa/webhook-dispatcher', 'webhook-dispatcher'),
    [
      '20:19: spec.outbound.services[0].identity: does not start with spiffe://, so it is no SPIFFE id; write spiffe://<trust domain>/ns/<namespace>/sa/<service account>',
    ],
  ],
  [
    'host with a port',
    () => edit('host: webhook-dispatcher', 'host: webhook-dispatcher:80'),
    [
      '18:15: spec.outbound.services[0].host: must be a host name or an IP address, without a port; did you mean "webhook-dispatcher"?',
    ],
  ],
  [
    'IPv6 host with a port',
    () => edit('host: webhook-dispatcher', 'host: "[::1]:80"'),
    [
      '18:15: spec.outbound.services[0].host: must be a host name or an IP address, without a port; did you mean "[::1]"?',
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
    'misspelt protocol of an entry',
    () => edit('mtls: strict, target', 'mtls: strict, protocol: htttp2, target'),
    [
      '14:66: spec.inbound[0].protocol: must be auto or http or http2 or grpc or tcp or tls or redis or mongo or kafka or mysql or postgresql or smtp or kubernetes.io/h2c or kubernetes.io/ws or kubernetes.io/wss or https or mongodb, not "htttp2"; did you mean "http2"?',
    ],
  ],
  [
    'protocol of a service that nobody knows',
    () => edit('        mtls: strict\n', '        mtls: strict\n        protocol: gopher\n'),
    [
      '20:19: spec.outbound.services[0].protocol: must be auto or http or http2 or grpc or tcp or tls or redis or mongo or kafka or mysql or postgresql or smtp or kubernetes.io/h2c or kubernetes.io/ws or kubernetes.io/wss or https or mongodb, not "gopher"',
    ],
  ],
  [
    'listener of a service on a name',
    () => edit('        mtls: strict\n', '        mtls: strict\n        listen: redis:6379\n'),
    [
      '20:17: spec.outbound.services[0].listen: must listen on an IP address or localhost, not "redis"; use 127.0.0.1 for this machine alone or 0.0.0.0 for every interface',
    ],
  ],
  [
    'captured address that is a name',
    () =>
      edit('    services:\n', '    capture: { listen: 127.0.0.1:0 }\n    services:\n').replace(
        '        mtls: strict\n',
        '        mtls: strict\n        addresses: [redis:6379]\n',
      ),
    [
      '21:21: spec.outbound.services[0].addresses[0]: must be an IP address and a port, not the name "redis"; write the cluster address of the service, like 10.96.0.12:6379',
    ],
  ],
  [
    'unknown what to do with the unknown',
    () => edit('    services:\n', '    capture: { listen: 127.0.0.1:0, unknown: pass }\n    services:\n'),
    ['17:46: spec.outbound.capture.unknown: must be passthrough or reject, not "pass"'],
  ],
  [
    'capture without an address',
    () => edit('  outbound:\n', '  inboundCapture: {}\n  outbound:\n'),
    ['15:3: spec.inboundCapture.listen: is required'],
  ],
  [
    'no time to detect',
    () => edit('headMs: 10000', 'detectMs: 0'),
    ['22:25: spec.timeouts.detectMs: must be at least 1, not 0'],
  ],
  [
    'idle for more than an hour',
    () => edit('headMs: 10000', 'tcpIdleMs: 3600001'),
    ['22:26: spec.timeouts.tcpIdleMs: must be at most 3600000, not 3600001'],
  ],
  [
    'access log that is probably misspelt',
    () => edit('accessLog: logs/access.log', 'accessLog: stdot'),
    [
      '24:16: spec.telemetry.accessLog: must be stdout, off or the path of a file; to log into a file of that name write a path, like ./access.log',
    ],
  ],
];

test.each(cases)('a key that is wrong by itself: %s', (_, text, problems) => {
  expect(problemsOf(text())).toEqual(problems);
});
