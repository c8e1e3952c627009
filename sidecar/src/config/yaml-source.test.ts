import { expect, test } from 'vitest';
import { edit, problemsOf } from './example.fixture.ts';

const cases: [name: string, text: () => string, problems: string[]][] = [
  [
    'no space after a colon',
    () => edit('{ headMs: 10000', '{ headMs:10000'),
    ['22:15: spec.timeouts["headMs:…"]: is not a known key; put a space after the colon of `headMs:`'],
  ],
  [
    'bare IPv6 address',
    () => edit('target: 127.0.0.1:8080', 'target: [::1]:8080'),
    [
      '14:69: is not valid YAML: Missing , between flow map items; put quotes around an IPv6 address: "[::1]:8080"',
    ],
  ],
  [
    'empty file',
    () => '# nothing\n',
    [
      '1:1: there is no document of kind Sidecar, which every config needs; add one that begins with `kind: Sidecar`',
    ],
  ],
  ['a list', () => '- a\n', ['1:1: must be a mapping, not a list']],
  [
    'key twice',
    () => edit('  service: gateway\n', '  service: gateway\n  service: gateway\n'),
    ['6:3: has the same key twice; remove one of them'],
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

test.each(cases)('text that is no plain YAML: %s', (_, text, problems) => {
  expect(problemsOf(text())).toEqual(problems);
});
