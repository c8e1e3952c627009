/**
 * Asks the authority for an SVID: fresh key, request, join token, `POST /v1/svid`.
 *
 * Invariants: the token goes only to a server whose certificate one of the configured roots signed for its name. Roots and
 * token are read anew each time, so replacing the files is enough. The answer is hostile until checked: bounded, parsed, and
 * accepted only when it is a working SVID for the key just made.
 */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { z } from 'zod';
import type { AuthorityIdentity } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { createKeyAndCsr } from './csr.ts';
import { PermanentFailure } from './rotate.ts';
import { readSvid, type Svid } from './svid.ts';

const LIMITS = {
  requestMs: 5_000,
  answerBytes: 262_144,
  shownDetailLength: 200,
} as const;

export async function requestSvid(
  source: AuthorityIdentity,
  trustDomain: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Svid> {
  const [roots, tokenText] = await Promise.all([readText(source.rootsFile), readText(source.tokenFile)]);
  const token = tokenText.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new PermanentFailure(`${source.tokenFile}: must hold one join token and nothing else`);
  }
  const { keyPem, csrPem } = await createKeyAndCsr();
  const deadline = new AbortController();
  const timer = clock.setTimer(() => deadline.abort(), LIMITS.requestMs);
  try {
    const answer = await post(source.url, roots, token, csrPem, AbortSignal.any([signal, deadline.signal]));
    return readSvid({ certificatePem: answer.certificates, keyPem, rootsPem: answer.roots }, trustDomain);
  } catch (error) {
    if (error instanceof PermanentFailure) throw error;
    const reason = deadline.signal.aborted
      ? `no answer within ${LIMITS.requestMs} ms`
      : (error as Error).message;
    throw new Error(`${source.url}: ${reason}`, { cause: error });
  } finally {
    timer.cancel();
  }
}

const svidAnswer = z.object({ certificates: z.string(), roots: z.string() });

async function post(
  url: string,
  roots: string,
  token: string,
  csr: string,
  signal: AbortSignal,
): Promise<z.infer<typeof svidAnswer>> {
  const { status, text } = await exchange(url, roots, token, JSON.stringify({ csr }), signal);
  if (status === 200) return parseAnswer(text);
  const reason = `the authority answered ${status}: ${detailOf(text)}`;
  // Repeating the same request helps when the authority was busy or broken, not when it said no.
  const final = status >= 400 && status < 500 && status !== 408 && status !== 429;
  throw final ? new PermanentFailure(`${url}: ${reason}`) : new Error(reason);
}

function parseAnswer(text: string): z.infer<typeof svidAnswer> {
  try {
    return svidAnswer.parse(JSON.parse(text));
  } catch {
    throw new Error('the answer does not hold certificates and roots; is this an authority?');
  }
}

function exchange(
  url: string,
  roots: string,
  token: string,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL('/v1/svid', url),
      {
        method: 'POST',
        // A connection of its own, so that nothing is left between renewals.
        agent: false,
        ca: roots,
        minVersion: 'TLSv1.3',
        signal,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        readAnswer(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LIMITS.answerBytes) throw new Error(`the answer is larger than ${LIMITS.answerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function detailOf(text: string): string {
  try {
    const { detail } = z.object({ detail: z.string() }).parse(JSON.parse(text));
    return detail.slice(0, LIMITS.shownDetailLength);
  } catch {
    return 'no reason given';
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new PermanentFailure(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
