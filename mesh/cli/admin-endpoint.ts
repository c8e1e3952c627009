import { LIMITS } from './limits.ts';

// Asks an admin endpoint, of a sidecar or of the control plane: bounded in time and size, and with errors that say what to do.

/** Something that the user has to hear, and no bug: the command ends with exit code 1. */
export class CommandFailed extends Error {}

export type AdminAnswer = { readonly status: number; readonly body: string };

/** Throws CommandFailed where nobody answers, or something that is no admin endpoint does. */
export async function askAdmin(endpoint: string, path: string): Promise<AdminAnswer> {
  const url = `${endpoint}${path}`;
  try {
    const signal = AbortSignal.timeout(LIMITS.requestMs);
    const response = await fetch(url, { signal, redirect: 'error' });
    return { status: response.status, body: await readBounded(response, url) };
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    throw new CommandFailed(`${endpoint}: ${reasonOf(error)}`);
  }
}

/**
 * Lines of an answer that goes on until `signal` or the other side ends it. Throws CommandFailed where it does not begin, and the iteration
 * throws it where a line is too long or the connection breaks.
 */
export async function openAdmin(
  endpoint: string,
  path: string,
  signal: AbortSignal,
): Promise<AsyncIterable<string>> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), LIMITS.requestMs);
  try {
    const response = await fetch(`${endpoint}${path}`, {
      signal: AbortSignal.any([signal, late.signal]),
      redirect: 'error',
    });
    if (response.status === 200) return linesOf(response, endpoint, signal);
    throw new CommandFailed(
      `${endpoint} answered ${response.status}: ${detailOf(await readBounded(response, endpoint))}`,
    );
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    const reason = late.signal.aborted ? `no answer within ${LIMITS.requestMs / 1_000} s` : reasonOf(error);
    throw new CommandFailed(`${endpoint}: ${reason}`);
  } finally {
    clearTimeout(timer);
  }
}

async function* linesOf(response: Response, endpoint: string, signal: AbortSignal): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const chunk of response.body ?? []) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LIMITS.lineChars) throw new CommandFailed(`${endpoint} sent a line without end`);
      yield* lines;
    }
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    if (!signal.aborted) throw new CommandFailed(`${endpoint}: ${reasonOf(error)}`);
  }
}

/** What a problem+json answer says in `detail`; the beginning of the body where it is none. */
export function detailOf(body: string): string {
  try {
    const { detail } = JSON.parse(body) as { detail?: unknown };
    if (typeof detail === 'string') return printable(detail);
  } catch {
    // Not JSON: quoted as it is.
  }
  return printable(body.slice(0, LIMITS.quotedChars).trim());
}

/** What others sent ends up on a terminal, whose cursor it must not move. */
export function printable(value: string): string {
  return value.replace(CONTROL, '\ufffd');
}

const CONTROL = /\p{Cc}/gu;

async function readBounded(response: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > LIMITS.answerBytes)
      throw new CommandFailed(`${url} answered more than ${LIMITS.answerBytes} bytes`);
  }
  return Buffer.concat(chunks).toString();
}

function reasonOf(error: unknown): string {
  if ((error as Error).name === 'TimeoutError') return `no answer within ${LIMITS.requestMs / 1_000} s`;
  const { cause } = error as { cause?: { code?: string; message?: string } };
  if (cause?.code === 'ECONNREFUSED') return 'nobody listens there';
  return cause?.code ?? cause?.message ?? (error as Error).message;
}
