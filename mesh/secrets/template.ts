/**
 * The simple part of Vault Agent's templates: text with fields of one secret in it.
 *
 *     {{- with secret "database/creds/orders" -}}
 *     redis://{{ .Data.username }}:{{ .Data.password }}@redis:6379
 *     {{- end }}
 *
 * Invariant: what is not understood is refused when it is parsed, and no message repeats a value.
 */
import { Secret } from './secret.ts';

export interface Template {
  /** Throws when a field is not there. */
  render(secret: Secret): Secret;
}

const ACTION = /\{\{(-?)\s*(.*?)\s*(-?)\}\}/gs;
const FIELD = /^\.Data(?:\.data)?\.([A-Za-z_][A-Za-z0-9_]*)$/;
const WITH = /^with\s+secret\s+"([^"]*)"$/;

type Part = { readonly text: string } | { readonly field: string };

/** `path` is where the secret comes from; a template that names another one is refused. */
export function parseTemplate(source: string, path: string): Template {
  const parts: Part[] = [];
  let open = 0;
  let at = 0;
  let trimNext = false;
  const addText = (text: string, trimEnd: boolean) => {
    const begun = trimNext ? text.trimStart() : text;
    const whole = trimEnd ? begun.trimEnd() : begun;
    if (whole !== '') parts.push({ text: whole });
  };
  for (const { 0: action, 1: before, 2: words = '', 3: after, index } of source.matchAll(ACTION)) {
    addText(source.slice(at, index), before === '-');
    at = index + action.length;
    trimNext = after === '-';
    const [, field] = FIELD.exec(words) ?? [];
    const [, named] = WITH.exec(words) ?? [];
    if (field !== undefined) parts.push({ field });
    else if (named !== undefined) {
      if (named !== path)
        throw new Error(`asks for the secret ${named}, and its own is ${path}; give each file one secret`);
      open++;
    } else if (words === 'end' && open > 0) open--;
    else throw new Error(`has an action that is not supported: ${action}; write {{ .Data.<field> }}`);
  }
  addText(source.slice(at), false);
  if (open > 0) throw new Error('has a `with` without its {{ end }}');
  return { render: (secret) => fill(parts, secret) };
}

function fill(parts: readonly Part[], secret: Secret): Secret {
  const fields: unknown = JSON.parse(secret.reveal());
  const texts = parts.map((part) => {
    if ('text' in part) return part.text;
    if (typeof fields !== 'object' || fields === null || !Object.hasOwn(fields, part.field))
      throw new Error(`there is no field \`${part.field}\``);
    const value = (fields as Record<string, unknown>)[part.field];
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
  return new Secret(texts.join(''));
}
