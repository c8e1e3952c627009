/**
 * One thing wrong with a config file, made for the person who has to repair it: where it is, what is wrong, what to do.
 * No message repeats the value of a key that names a file, as that is where secrets get pasted by mistake.
 */
export type ConfigProblem = {
  readonly file: string;
  /** Kind and name of the document, like `FaultPolicy slow-orders`; absent for the one that a file is about. */
  readonly document?: string;
  /** Both count from 1; 0 when the file could not be read at all. */
  readonly line: number;
  readonly column: number;
  /** The key's place in the document, like `spec.inbound[0].mtls`; empty for the document itself. */
  readonly path: string;
  readonly message: string;
  readonly suggestion: string | null;
};

export type KeyPath = readonly (string | number)[];

/** Thrown where a config was needed and none could be had. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `sidecar.yaml:12:9: spec.inbound[0].mtls: must be …; did you mean "strict"?`, as editors and people parse it. */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const subject = [problem.document ?? '', problem.path]
    .filter((part) => part !== '')
    .map((part) => `${part}: `)
    .join('');
  const advice = problem.suggestion === null ? '' : `; ${problem.suggestion}`;
  return `${place}: ${subject}${problem.message}${advice}`;
}

export function formatPath(path: KeyPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    // What follows a colon in a key is a value whose space was forgotten.
    else if (!/^[A-Za-z_][\w-]*$/.test(step)) text += `[${quote(step.replace(/:.*/s, ':…'))}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

const MAX_SHOWN = 60;

/** A value as it may stand in a message: on one line and of bounded length. */
export function quote(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}
