import { describe, expect, test } from 'vitest';
import { Secret } from './secret.ts';
import { parseTemplate } from './template.ts';

const PATH = 'database/creds/orders';
const secret = new Secret(JSON.stringify({ username: 'u', password: 'hunter2', port: 6379 }));
const render = (template: string) => parseTemplate(template, PATH).render(secret).reveal();

test.each([
  ['{{ .Data.username }}:{{.Data.password}}', 'u:hunter2'],
  ['{{ .Data.data.password }}', 'hunter2'],
  ['port={{ .Data.port }}', 'port=6379'],
  [`{{ with secret "${PATH}" }}user {{ .Data.username }}{{ end }}`, 'user u'],
  [`{{- with secret "${PATH}" -}}\n  user {{ .Data.username }}\n{{- end }}\n`, 'user u\n'],
  ['no fields', 'no fields'],
])('%s', (template, text) => expect(render(template)).toBe(text));

describe('a template is refused', () => {
  test.each([
    [
      '{{ .Data.username | toUpper }}',
      /^has an action that is not supported: \{\{ \.Data\.username \| toUpper \}\}/,
    ],
    ['{{ range .Data }}{{ end }}', /^has an action that is not supported/],
    ['{{ end }}', /^has an action that is not supported/],
    [`{{ with secret "${PATH}" }}x`, /^has a `with` without its \{\{ end \}\}$/],
    [
      '{{ with secret "secret/data/x" }}{{ end }}',
      /^asks for the secret secret\/data\/x, and its own is database\/creds/,
    ],
  ])('%s', (template, message) => expect(() => parseTemplate(template, PATH)).toThrow(message));
});

test('a field that is not there is an error without a value', () => {
  expect(() => render('{{ .Data.constructor }}')).toThrow(/^there is no field `constructor`$/);
});
