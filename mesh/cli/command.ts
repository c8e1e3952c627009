import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { closest } from '../../sidecar/src/config/closest.ts';
import { LIMITS } from './limits.ts';
import { type Paint, paintFor, plainPaint } from './trace/paint.ts';

// What all commands share: options with suggestions, help, and where output goes.

export type Command = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Behind `usage: tulle <name>`, then paragraphs. */
  readonly usage: string;
  readonly help: string;
  readonly options: ParseArgsOptionsConfig;
  /** Returns the exit code. */
  run(given: Given, terminal: Terminal): Promise<number>;
};

export type Given = {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
};

export type Terminal = {
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  readonly input: NodeJS.ReadStream;
  /** Ends commands that go on until somebody stops them. */
  readonly stopped: AbortSignal;
};

/** Arguments that make no sense: exit code 2, and a word about help. */
export class UsageError extends Error {}

const SHARED: ParseArgsOptionsConfig = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  'no-color': { type: 'boolean' },
  width: { type: 'string' },
};

/** Null asks for help. */
export function readArguments(command: Command, args: readonly string[]): Given | null {
  const options = { ...SHARED, ...command.options };
  try {
    const given = parseArgs({ args: [...args], options, allowPositionals: true }) as Given;
    return given.values.help === true ? null : given;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new UsageError(message);
    const [, option = ''] = /'--?([^' =]*)/.exec(message) ?? [];
    const meant = closest(option, Object.keys(options));
    throw new UsageError(`there is no --${option}${meant === null ? '' : `; did you mean --${meant}?`}`);
  }
}

export function paintOf({ values }: Given, { out }: Terminal): Paint {
  return values['no-color'] === true ? plainPaint : paintFor(out);
}

export function widthOf({ values }: Given, { out }: Terminal): number {
  if (values.width === undefined) {
    return Math.min(LIMITS.maxWidth, Math.max(LIMITS.minWidth, out.columns ?? LIMITS.pipeWidth));
  }
  return readNumber('width', String(values.width), LIMITS.minWidth, LIMITS.maxWidth);
}

export function readNumber(option: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UsageError(`--${option}: must be a whole number from ${min} to ${max}, and is "${value}"`);
}

/** Of an option that may be given several times. */
export function listOf({ values }: Given, option: string): string[] {
  const value = values[option];
  return value === undefined ? [] : Array.isArray(value) ? value.map(String) : [String(value)];
}

/** Where an admin endpoint is: `http://127.0.0.1:15000`, and `127.0.0.1:15000` for short. */
export function readEndpoint(option: string, value: string): string {
  const address = value.includes('://') ? value : `http://${value}`;
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.username === '')
    return url.origin;
  throw new UsageError(`--${option}: must be like http://127.0.0.1:15000, and is "${value}"`);
}

export function print(stream: NodeJS.WritableStream, lines: readonly string[]): void {
  stream.write(`${lines.join('\n')}\n`);
}
