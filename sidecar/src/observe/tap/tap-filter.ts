/**
 * Which lines of the access log a tap wants: what its query names, all of it together.
 *
 * Invariant: strict. A parameter that is unknown, repeated or malformed is an error that says what to write.
 */
import { closest } from '../../config/closest.ts';

/** A line of the access log, parsed. */
export type LogLine = Readonly<Record<string, unknown>>;
export type TapFilter = (line: LogLine) => boolean;

type Condition = (wanted: string) => TapFilter | null;

const same =
  (field: string): Condition =>
  (wanted) =>
  (line) =>
    line[field] === wanted;

const CONDITIONS: ReadonlyMap<string, { readonly form: string; readonly condition: Condition }> = new Map(
  Object.entries({
    route: { form: 'a listener or a host', condition: same('route') },
    direction: {
      form: 'inbound or outbound',
      condition: (wanted) => (/^(in|out)bound$/.test(wanted) ? same('direction')(wanted) : null),
    },
    method: { form: 'a method', condition: (wanted) => same('method')(wanted.toUpperCase()) },
    path: {
      form: 'the beginning of a path, with its slash',
      condition: (wanted) =>
        wanted.startsWith('/')
          ? (line) => typeof line.path === 'string' && line.path.startsWith(wanted)
          : null,
    },
    status: {
      form: 'a status, or a class such as 5xx',
      condition: (wanted) => {
        if (/^[1-5]\d\d$/.test(wanted)) return (line) => line.status === Number(wanted);
        if (!/^[1-5]xx$/.test(wanted)) return null;
        return (line) =>
          typeof line.status === 'number' && Math.floor(line.status / 100) === Number(wanted[0]);
      },
    },
    failure: {
      form: 'a failure code, or any',
      condition: (wanted) =>
        wanted === 'any' ? (line) => line.failure !== 'none' : (line) => line.failure === wanted,
    },
    request_id: { form: 'a request id', condition: same('request_id') },
  } satisfies Record<string, { form: string; condition: Condition }>),
);

/** Throws an Error for the one who asked. */
export function readTapFilter(query: URLSearchParams): TapFilter {
  const conditions: TapFilter[] = [];
  const seen = new Set<string>();
  for (const [name, value] of query) {
    const known = CONDITIONS.get(name);
    if (known === undefined) throw new Error(`${JSON.stringify(name)} is no filter${suggest(name)}`);
    if (seen.has(name)) throw new Error(`${name} is given twice`);
    seen.add(name);
    const condition = value === '' ? null : known.condition(value);
    if (condition === null) throw new Error(`${name} must be ${known.form}, and is ${JSON.stringify(value)}`);
    conditions.push(condition);
  }
  return (line) => conditions.every((condition) => condition(line));
}

function suggest(name: string): string {
  const names = [...CONDITIONS.keys()];
  const meant = closest(name, names);
  return meant === null ? `; there are ${names.join(', ')}` : `; did you mean ${meant}?`;
}
