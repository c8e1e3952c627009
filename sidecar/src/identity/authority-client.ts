/**
 * One question to the authority: a certificate request and proof of who asks, `POST /v1/svid/<proof>`.
 *
 * Invariants: proof goes only to a server whose certificate one of the given roots signed for its name. The answer is hostile until checked:
 * bounded and parsed here, and looked at as an SVID by whoever asked.
 */
import { request } from 'node:https';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { readBounded } from '../core/read-bounded.ts';
import { PermanentFailure } from './rotate.ts';
import type { SvidFiles } from './svid.ts';

const LIMITS = {
  requestMs: 5_000,
  answerBytes: 262_144,
  shownDetailLength: 200,
} as const;

export interface Question {
  readonly url: string;
  /** PEM of who vouches for the authority. */
  readonly roots: readonly string[];
  readonly proof: Proof;
  readonly csrPem: string;
}

export type Proof =
  | { readonly kind: 'join-token' | 'kubernetes'; readonly token: string }
  /** The SVID that is to be followed by another one of the same id. */
  | { readonly kind: 'renewal'; readonly svid: SvidFiles };

export type Answer = z.infer<typeof svidAnswer>;

/** Throws `PermanentFailure` when the authority said no. */
export async function askAuthority(question: Question, clock: Clock, signal: AbortSignal): Promise<Answer> {
  const { url } = question;
  const deadline = new AbortController();
  const timer = clock.setTimer(() => deadline.abort(), LIMITS.requestMs);
  try {
    return readAnswer(url, await post(question, AbortSignal.any([signal, deadline.signal])));
  } catch (error) {
    if (error instanceof PermanentFailure) throw error;
    const reason = deadline.signal.aborted
      ? `no answer within ${LIMITS.requestMs} ms`
      : (error as Error).message;
    throw new Error(`${url}: ${reason}`, { cause: error });
  } finally {
    timer.cancel();
  }
}

const svidAnswer = z.object({ certificates: z.string(), roots: z.string() });

interface Response {
  readonly status: number;
  readonly text: string;
}

function readAnswer(url: string, { status, text }: Response): Answer {
  if (status === 200) return parseAnswer(text);
  const reason = `the authority answered ${status}: ${detailOf(text)}`;
  // Repeating the same request helps when the authority was busy or broken, not when it said no.
  const final = status >= 400 && status < 500 && status !== 408 && status !== 429;
  throw final ? new PermanentFailure(`${url}: ${reason}`) : new Error(reason);
}

function parseAnswer(text: string): Answer {
  try {
    return svidAnswer.parse(JSON.parse(text));
  } catch {
    throw new Error('the answer does not hold certificates and roots; is this an authority?');
  }
}

function post({ url, roots, proof, csrPem }: Question, signal: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ csr: csrPem });
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(`/v1/svid/${proof.kind}`, url),
      {
        method: 'POST',
        // A connection of its own, so that nothing is left between renewals.
        agent: false,
        ca: [...roots],
        ...(proof.kind === 'renewal' && { cert: proof.svid.certificatePem, key: proof.svid.keyPem }),
        minVersion: 'TLSv1.3',
        signal,
        headers: {
          ...(proof.kind !== 'renewal' && { authorization: `Bearer ${proof.token}` }),
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        readBounded(response, LIMITS.answerBytes).then(
          (bytes) => resolve({ status: response.statusCode ?? 0, text: bytes.toString('utf8') }),
          reject,
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function detailOf(text: string): string {
  try {
    const { detail } = z.object({ detail: z.string() }).parse(JSON.parse(text));
    return detail.slice(0, LIMITS.shownDetailLength);
  } catch {
    return 'no reason given';
  }
}
