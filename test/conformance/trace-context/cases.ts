// What the W3C's validation of Trace Context (levels 1 and 2, strict) asks of a participant that takes part in a trace, as data, and where that
// leaves room, what this one does. Ids are those of its cases: github.com/w3c/trace-context, test/test.py.

export type Field = readonly [name: string, value: string];

export interface TraceContextCase {
  readonly id: string;
  readonly fields: readonly Field[];
  readonly expect: Continued | 'restarted';
}

/** The same trace, another parent; the members that tracestate has, in order. */
export interface Continued {
  readonly tracestate: readonly string[];
}

export const TRACE_ID = '12345678901234567890123456789012';
export const PARENT_ID = '1234567890123456';
const PARENT = `00-${TRACE_ID}-${PARENT_ID}-00`;
const KEY_CHARACTERS = 'abcdefghijklmnopqrstuvwxyz0123456789_-*/';
const VALUE_CHARACTERS = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
  .join('')
  .replace(/[,=]/g, '');

const continued = (...tracestate: string[]): Continued => ({ tracestate });

/** One case a value of traceparent. */
const traceparents = (id: string, expect: TraceContextCase['expect'], ...values: string[]) =>
  values.map((value): TraceContextCase => ({ id, fields: [['traceparent', value]], expect }));

/** One case with the lines of a tracestate behind a valid traceparent. */
const tracestate = (id: string, expect: Continued, ...lines: string[]): TraceContextCase => ({
  id,
  fields: [['traceparent', PARENT], ...lines.map((line): Field => ['tracestate', line])],
  expect,
});

/** `members(3, 4)`: `bar3=3,bar4=4`. */
const members = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => `bar${first + i}=${first + i}`);

const level1Traceparent: TraceContextCase[] = [
  { id: 'both_traceparent_and_tracestate_missing', fields: [], expect: 'restarted' },
  ...traceparents('traceparent_included_tracestate_missing', continued(), `00-${TRACE_ID}-${PARENT_ID}-01`),
  {
    id: 'traceparent_duplicated',
    fields: [
      ['traceparent', `00-${TRACE_ID}-${PARENT_ID}-01`],
      ['traceparent', `00-12345678901234567890123456789011-${PARENT_ID}-01`],
    ],
    expect: 'restarted',
  },
  ...traceparents('traceparent_duplicated', 'restarted', `${PARENT},${PARENT}`, `${PARENT}, ${PARENT}`),
  ...['trace-parent', 'trace.parent'].map(
    (name): TraceContextCase => ({
      id: 'traceparent_header_name',
      fields: [[name, PARENT]],
      expect: 'restarted',
    }),
  ),
  ...['TraceParent', 'TrAcEpArEnT', 'TRACEPARENT'].map(
    (name): TraceContextCase => ({
      id: 'traceparent_header_name_valid_casing',
      fields: [[name, PARENT]],
      expect: continued(),
    }),
  ),
  ...traceparents('traceparent_version_0x00', 'restarted', `${PARENT}.`, `${PARENT}-what-the-future`),
  ...traceparents(
    'traceparent_version_0xcc',
    continued(),
    `cc-${TRACE_ID}-${PARENT_ID}-01`,
    `cc-${TRACE_ID}-${PARENT_ID}-01-what-the-future`,
  ),
  ...traceparents('traceparent_version_0xcc', 'restarted', `cc-${TRACE_ID}-${PARENT_ID}-01.what-the-future`),
  ...traceparents('traceparent_version_0xff', 'restarted', `ff-${TRACE_ID}-${PARENT_ID}-01`),
  ...[
    ['traceparent_version_illegal_characters', '.0', '0.', 'CC'],
    ['traceparent_version_too_long', '000', '0000'],
    ['traceparent_version_too_short', '0', ''],
  ].flatMap(([id = '', ...versions]) =>
    traceparents(id, 'restarted', ...versions.map((version) => `${version}-${TRACE_ID}-${PARENT_ID}-01`)),
  ),
  ...[
    ['traceparent_trace_id_all_zero', '0'.repeat(32)],
    [
      'traceparent_trace_id_illegal_characters',
      `.${TRACE_ID.slice(1)}`,
      `${TRACE_ID.slice(1)}.`,
      'A'.repeat(32),
    ],
    ['traceparent_trace_id_too_long', `${TRACE_ID}3`],
    ['traceparent_trace_id_too_short', TRACE_ID.slice(1)],
  ].flatMap(([id = '', ...ids]) =>
    traceparents(id, 'restarted', ...ids.map((traceId) => `00-${traceId}-${PARENT_ID}-01`)),
  ),
  ...[
    ['traceparent_parent_id_all_zero', '0'.repeat(16)],
    [
      'traceparent_parent_id_illegal_characters',
      `.${PARENT_ID.slice(1)}`,
      `${PARENT_ID.slice(1)}.`,
      'F'.repeat(16),
    ],
    ['traceparent_parent_id_too_long', `${PARENT_ID}7`],
    ['traceparent_parent_id_too_short', PARENT_ID.slice(1)],
  ].flatMap(([id = '', ...ids]) =>
    traceparents(id, 'restarted', ...ids.map((parentId) => `00-${TRACE_ID}-${parentId}-01`)),
  ),
  ...[
    ['traceparent_trace_flags_illegal_characters', '.0', '0.', '0A'],
    ['traceparent_trace_flags_too_long', '001'],
    ['traceparent_trace_flags_too_short', '1', ''],
  ].flatMap(([id = '', ...all]) =>
    traceparents(id, 'restarted', ...all.map((flags) => `00-${TRACE_ID}-${PARENT_ID}-${flags}`)),
  ),
  ...traceparents(
    'traceparent_ows_handling',
    continued(),
    ` ${PARENT}`,
    `\t${PARENT}`,
    `${PARENT} `,
    `${PARENT}\t`,
    `\t ${PARENT} \t`,
  ),
];

const level1Tracestate: TraceContextCase[] = [
  ...['foo=1', 'foo=1,bar=2'].map(
    (value): TraceContextCase => ({
      id: 'tracestate_included_traceparent_missing',
      fields: [['tracestate', value]],
      expect: 'restarted',
    }),
  ),
  {
    id: 'tracestate_included_traceparent_invalid',
    fields: [
      ['traceparent', `ff-${TRACE_ID}-${PARENT_ID}-01`],
      ['tracestate', 'foo=1'],
    ],
    expect: 'restarted',
  },
  tracestate('tracestate_included_traceparent_included', continued('foo=1', 'bar=2'), 'foo=1,bar=2'),
  ...['trace-state', 'trace.state'].map(
    (name): TraceContextCase => ({
      id: 'tracestate_header_name',
      fields: [
        ['traceparent', PARENT],
        [name, 'foo=1'],
      ],
      expect: continued(),
    }),
  ),
  ...['TraceState', 'TrAcEsTaTe', 'TRACESTATE'].map(
    (name): TraceContextCase => ({
      id: 'tracestate_header_name_valid_casing',
      fields: [
        ['traceparent', PARENT],
        [name, 'foo=1'],
      ],
      expect: continued('foo=1'),
    }),
  ),
  tracestate('tracestate_empty_header', continued(), ''),
  tracestate('tracestate_empty_header', continued('foo=1'), 'foo=1', ''),
  tracestate('tracestate_empty_header', continued('foo=1'), '', 'foo=1'),
  tracestate('tracestate_empty_members', continued('foo=1', 'bar=2'), 'foo=1,,bar=2', ' , ,'),
  tracestate(
    'tracestate_multiple_headers_different_keys',
    continued('foo=1', 'bar=2', 'rojo=1', 'congo=2', 'baz=3'),
    'foo=1,bar=2',
    'rojo=1,congo=2',
    'baz=3',
  ),
  // May be kept or discarded; here nothing is that a vendor might miss.
  tracestate('tracestate_duplicated_keys', continued('foo=1', 'foo=1'), 'foo=1,foo=1'),
  tracestate('tracestate_duplicated_keys', continued('foo=1', 'foo=2'), 'foo=1,foo=2'),
  tracestate('tracestate_duplicated_keys', continued('foo=1', 'foo=2'), 'foo=1', 'foo=2'),
  ...[KEY_CHARACTERS, `${KEY_CHARACTERS}@a-z0-9_-*/`].map((key) =>
    tracestate(
      'tracestate_all_allowed_characters',
      continued(`${key}=${VALUE_CHARACTERS}`),
      `${key}=${VALUE_CHARACTERS}`,
    ),
  ),
  ...['foo=1 \t , \t bar=2, \t baz=3', 'foo=1\t \t,\t \tbar=2,\t \tbaz=3'].map((line) =>
    tracestate('tracestate_ows_handling', continued('foo=1', 'bar=2', 'baz=3'), line),
  ),
  ...[' foo=1', '\tfoo=1', 'foo=1 ', 'foo=1\t', '\t foo=1 \t'].map((line) =>
    tracestate('tracestate_ows_handling', continued('foo=1'), line),
  ),
  tracestate('tracestate_value_leading_space', continued('foo=  1'), 'foo=  1'),
  ...['foo =1', 'FOO=1', 'foo.bar=1', '=1', 'foo', '_foo=1'].map((line) =>
    tracestate('tracestate_key_illegal_characters', continued(), `bar=2,${line}`),
  ),
  ...['foo@=1', 'foo@@bar=1', 'foo@bar@baz=1', '0foo@bar=1'].map((member) =>
    tracestate('tracestate_key_illegal_vendor_format', continued(member, 'bar=2'), `${member},bar=2`),
  ),
  tracestate('tracestate_key_illegal_vendor_format', continued(), '@foo=1,bar=2'),
  tracestate(
    'tracestate_member_count_limit',
    continued(...members(1, 32)),
    ...[members(1, 10), members(11, 20), members(21, 30), members(31, 32)].map(String),
  ),
  tracestate(
    'tracestate_member_count_limit',
    continued(),
    ...[members(1, 10), members(11, 20), members(21, 30), members(31, 33)].map(String),
  ),
  ...[
    'z'.repeat(256),
    `${'t'.repeat(241)}@${'v'.repeat(14)}`,
    `${'t'.repeat(242)}@v`,
    `t@${'v'.repeat(15)}`,
  ].map((key) =>
    tracestate('tracestate_key_length_limit', continued('foo=1', `${key}=1`), 'foo=1', `${key}=1`),
  ),
  tracestate('tracestate_key_length_limit', continued(), 'foo=1', `${'z'.repeat(257)}=1`),
  tracestate('tracestate_value_length_limit', continued(`foo=${'v'.repeat(256)}`), `foo=${'v'.repeat(256)}`),
  tracestate('tracestate_value_length_limit', continued(), `foo=${'v'.repeat(257)}`),
  ...['foo=bar=baz', 'foo=,bar=3', 'foo= ,bar=3', 'foo=a\tb', 'foo=\u00e9'].map((line) =>
    tracestate('tracestate_value_illegal_characters', continued(), line),
  ),
  // At least 512 characters have to be passed on; these are 8 KB.
  tracestate(
    'tracestate_size',
    continued(...members(10, 41).map((member) => member.padEnd(256, 'x'))),
    ...members(10, 41).map((member) => member.padEnd(256, 'x')),
  ),
];

const level2: TraceContextCase[] = [
  ...traceparents(
    'propagates_random_flag',
    continued(),
    ...['00', '01', '02', '03', 'fc', 'ff'].map((flags) => `00-${TRACE_ID}-${PARENT_ID}-${flags}`),
  ),
];

export const CASES: readonly TraceContextCase[] = [...level1Traceparent, ...level1Tracestate, ...level2];
