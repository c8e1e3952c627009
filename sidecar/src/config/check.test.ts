import { expect, test } from 'vitest';
import { AUTHORITY, EXAMPLE, edit, FILES_LINE, IDENTITY, problemsOf } from './example.fixture.ts';

const mtlsSuggestion = 'add spec.identity, or set `mtls: off`';

const cases: [name: string, text: () => string, problems: string[]][] = [
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
    'an authority that gets two kinds of tokens',
    () => edit('      tokenFile: join-token', '      tokenFile: join-token\n      podTokenFile: token'),
    [
      '8:5: spec.identity.authority: must have exactly one of tokenFile and podTokenFile, and has both; use podTokenFile in pods of Kubernetes, tokenFile for a join token elsewhere',
    ],
  ],
  [
    'an authority that gets no token',
    () => EXAMPLE.replace('      tokenFile: join-token\n', ''),
    [
      '8:5: spec.identity.authority: must have exactly one of tokenFile and podTokenFile, and has neither; use podTokenFile in pods of Kubernetes, tokenFile for a join token elsewhere',
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
    'permissive listener without identity',
    () =>
      EXAMPLE.replace(IDENTITY, '')
        .replace('mtls: strict, target', 'mtls: permissive, target')
        .replace(/ {8}mtls: strict\n {8}identity:.*/, '        mtls: off'),
    [
      `8:48: spec.inbound[0].mtls: is permissive, but the sidecar has no spec.identity to prove who it is; ${mtlsSuggestion}`,
    ],
  ],
  [
    'permissive listener for what nobody could speak in clear',
    () => edit('mtls: strict, target', 'mtls: permissive, protocol: mysql, target'),
    [
      '14:48: spec.inbound[0].mtls: is permissive, but mysql lets the server speak first, so that nobody could speak it in clear here; set `mtls: strict`, or off until all peers are in the mesh',
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
    'listener that nothing leads to',
    () => edit('name: http, listen: 127.0.0.1:0,', 'name: http,'),
    [
      '14:7: spec.inbound[0].listen: is required without spec.inboundCapture: nothing would lead here; write `listen: 0.0.0.0:15006`, or the address that peers connect to',
    ],
  ],
  [
    'captured connections that could be for two entries',
    () =>
      edit(
        '  outbound:',
        '    - { name: grpc, target: 127.0.0.2:8080 }\n  inboundCapture: { listen: 127.0.0.1:0 }\n  outbound:',
      ),
    [
      '15:29: spec.inbound[1].target: has the port of spec.inbound[0].target, by which captured connections are told apart; keep one of the two entries',
    ],
  ],
  [
    'addresses without capture',
    () => edit('        mtls: strict\n', '        mtls: strict\n        addresses: [10.96.0.1:80]\n'),
    [
      '20:9: spec.outbound.services[0].addresses: has no effect without spec.outbound.capture, as no connection to them gets here; add `capture: { listen: 127.0.0.1:15001 }` to spec.outbound, or remove the addresses',
    ],
  ],
  [
    'one address of two services',
    () =>
      edit('    services:\n', '    capture: { listen: 127.0.0.1:0 }\n    services:\n').replace(
        '  timeouts:',
        '        addresses: [10.96.0.1:80]\n' +
          '      - { host: b, mtls: off, addresses: [10.96.0.1:80], endpoints: [127.0.0.1:1] }\n  timeouts:',
      ),
    [
      '24:43: spec.outbound.services[1].addresses[0]: repeats spec.outbound.services[0].addresses[0]; an address can mean one service only',
    ],
  ],
  [
    'service that nothing leads to',
    () => edit('        mtls: strict\n', '        mtls: strict\n        protocol: redis\n'),
    [
      '20:19: spec.outbound.services[0].protocol: is "redis", which names no host, so nothing leads to this service; add `listen` for a listener of its own, or `addresses` to capture',
    ],
  ],
  [
    'capture where something listens already',
    () =>
      edit(
        '    listen: 127.0.0.1:0\n',
        '    listen: 127.0.0.1:15001\n    capture: { listen: 127.0.0.1:15001 }\n',
      ),
    [
      '17:24: spec.outbound.capture.listen: repeats spec.outbound.listen; use another port, or 0 for any free one',
    ],
  ],
  [
    'service that listens where something else does',
    () =>
      edit('        mtls: strict\n', '        mtls: strict\n        listen: 127.0.0.1:15001\n').replace(
        '    listen: 127.0.0.1:0\n',
        '    listen: 127.0.0.1:15001\n',
      ),
    [
      '20:17: spec.outbound.services[0].listen: repeats spec.outbound.listen; use another port, or 0 for any free one',
    ],
  ],
];

test.each(cases)('keys that do not fit together: %s', (_, text, problems) => {
  expect(problemsOf(text())).toEqual(problems);
});

test.each(['listen: 127.0.0.1:0', 'addresses: [10.96.0.1:80]'])(
  'what leads to a service of raw TCP: %s',
  (key) => {
    const text = edit('    services:\n', '    capture: { listen: 127.0.0.1:0 }\n    services:\n');
    const service = `        mtls: strict\n        protocol: kafka\n        ${key}\n`;
    expect(problemsOf(text.replace('        mtls: strict\n', service))).toEqual([]);
  },
);
