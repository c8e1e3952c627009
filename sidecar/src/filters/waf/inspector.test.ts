import { describe, expect, it } from 'vitest';
import { type InspectionSettings, Inspector } from './inspector.ts';

function inspectorWith(settings: Partial<InspectionSettings> = {}): Inspector {
  const inspector = new Inspector({ paranoia: 2, maxDepth: 8, maxFields: 100, exceptions: [], ...settings });
  inspector.begin();
  return inspector;
}

function found(inspector: Inspector): string[] {
  return inspector.hits.map(({ rule, location }) => `${rule.id} at ${location}`);
}

describe('where an attack can be', () => {
  const attack = "x' or 1=1 -- ";
  const encoded = encodeURIComponent(attack);
  it.each<[string, (inspector: Inspector) => void]>([
    ['path', (inspector) => inspector.target(`/users/${encoded}`)],
    ['query.name', (inspector) => inspector.target(`/users?page=1&name=${encoded}`)],
    ['header.x-user', (inspector) => inspector.header('x-user', attack)],
    ['cookie.id', (inspector) => inspector.cookies(`theme=dark; id=${encoded}`)],
    ['form.name', (inspector) => inspector.form(Buffer.from(`page=1&name=${encoded}`))],
    [
      'form.note',
      (inspector) =>
        inspector.multipart(
          Buffer.from(`--b\r\ncontent-disposition: form-data; name="note"\r\n\r\n${attack}\r\n--b--\r\n`),
          'b',
        ),
    ],
    [
      'json.user.names[]',
      (inspector) => inspector.json(Buffer.from(JSON.stringify({ user: { names: ['a', attack] } }))),
    ],
    [
      'json.filter.name',
      (inspector) =>
        inspector.json(Buffer.from(JSON.stringify({ filter: JSON.stringify({ name: attack }) }))),
    ],
  ])('%s', (location, show) => {
    const inspector = inspectorWith();
    show(inspector);
    expect(found(inspector)).toContain(`sqli-breakout at ${location}`);
    expect(inspector.problem).toBe('');
  });
});

describe('what cannot be looked at to its end', () => {
  it.each([
    ['unparsable', '{"a":1'],
    ['unparsable', '{"a":1,}'],
    ['unparsable', "{'a':1}"],
    ['unparsable', '{"a":1} x'],
    ['unparsable', '"\\x41"'],
    ['unparsable', '[01]'],
    ['unparsable', ''],
    ['too-deep', '['.repeat(9) + ']'.repeat(9)],
    ['too-many-fields', JSON.stringify(Array(200).fill(1))],
  ])('%s: %s', (problem, body) => {
    const inspector = inspectorWith();
    inspector.json(Buffer.from(body));
    expect(inspector.problem).toBe(problem);
  });

  it('is forgotten with the next request', () => {
    const inspector = inspectorWith();
    inspector.json(Buffer.from('{"$where":1'));
    inspector.begin();
    inspector.json(Buffer.from('{"a":1}'));
    expect([inspector.problem, inspector.score, inspector.hits]).toEqual(['', 0, []]);
  });
});

describe('multipart', () => {
  const file = 'content-disposition: form-data; name="f"; filename="a.txt"\r\n\r\n';
  const field = 'content-disposition: form-data; name="a"\r\n\r\n';
  const attack = "x' or 1=1 -- ";
  it.each<[string, string, string, string[]]>([
    ['a field', `--b\r\n${field}${attack}\r\n--b--\r\n`, '', ['sqli-breakout at form.a']],
    ['an empty field', `--b\r\n${field}\r\n--b--`, '', []],
    ['a preamble', `some text\r\n--b\r\n${field}${attack}\r\n--b--`, '', ['sqli-breakout at form.a']],
    ['the content of a file', `--b\r\n${file}${attack}\r\n--b--`, '', []],
    [
      'the name of a file',
      `--b\r\n${file.replace('a.txt', '../../a')}x\r\n--b--`,
      '',
      ['traversal-path at form.f'],
    ],
    [
      'an end within a line',
      `--b\r\n${file}x--b--\r\n--b\r\n${field}${attack}\r\n--b--`,
      '',
      ['sqli-breakout at form.a'],
    ],
    [
      'parts behind the end',
      `--b\r\n${field}x\r\n--b--\r\n--b\r\n${field}${attack}\r\n--b--`,
      'unparsable',
      [],
    ],
    ['no end', `--b\r\n${field}x\r\n`, 'unparsable', []],
    ['line ends of Unix', `--b\n${field.replaceAll('\r', '')}x\n--b--`, 'unparsable', []],
    ['no name', '--b\r\ncontent-type: text/plain\r\n\r\nx\r\n--b--', 'unparsable', []],
  ])('%s', (_, body, problem, hits) => {
    const inspector = inspectorWith();
    inspector.multipart(Buffer.from(body), 'b');
    expect([inspector.problem, found(inspector).filter((hit) => !hit.startsWith('sqli-tautology'))]).toEqual([
      problem,
      hits,
    ]);
  });
});

describe('exceptions', () => {
  const body = Buffer.from('{"query":{"$ne":1},"other":{"$ne":1}}');
  it.each([
    [{ rules: ['nosqli-operator'], location: 'json.query.*' }, ['nosqli-operator at json.other.$ne']],
    [{ rules: ['nosqli'], location: 'json.*' }, []],
    [{ rules: [], location: '*' }, []],
    [
      { rules: ['sqli'], location: '*' },
      ['nosqli-operator at json.query.$ne', 'nosqli-operator at json.other.$ne'],
    ],
  ])('%j', (exception, left) => {
    const inspector = inspectorWith({ exceptions: [exception] });
    inspector.json(body);
    expect(found(inspector)).toEqual(left);
  });
});

it('an exception for a name is none for what else the name holds', () => {
  const inspector = inspectorWith({ exceptions: [{ rules: ['nosqli'], location: '*' }] });
  inspector.form(Buffer.from(`a[$ne]'${encodeURIComponent(' or 1=1 -- ')}=1`));
  expect(found(inspector).map((hit) => hit.split(' ')[0])).toContain('sqli-breakout');
});

it('samples tell the attack and no secret', () => {
  const inspector = inspectorWith();
  inspector.json(
    Buffer.from(
      JSON.stringify({ password: "Tr0ub4dor' or '1'='1", card: "' or 4111111111111111=4111111111111111" }),
    ),
  );
  const samples = inspector.hits.map(({ sample }) => sample).join('\n');
  expect(samples).toContain("' or '1'='1");
  expect(samples).not.toMatch(/ub4dor|4111/);
});
