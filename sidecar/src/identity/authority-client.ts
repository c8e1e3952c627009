/**
 * What is asked of the authority: a certificate, by a request and proof of who asks (`POST /v1/svid/<proof>`), and what is to be trusted (`GET /v1/bundle`).
 *
 * Invariants: proof goes only to a server whose certificate one of the given roots signed for its name. The answer is hostile until checked:
 * bounded and parsed here, and looked at as an SVID by whoever asked.
 */
import { type RequestOptions, request } from 'node:https';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { readBounded } from '../core/read-bounded.ts';
import { PermanentFailure } from './rotate.ts';
import type { SvidFiles } from './svid.ts';
import { readTrustDocument, type TrustDocument } from './trust-document.ts';

const LIMITS = {
  requestMs: 5_000,
  /** 1,000 who are denied, and 16 foreign trust domains. */
  answerBytes: 2_097_152,
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
export function askAuthority(question: Question, clock: Clock, signal: AbortSignal): Promise<Answer> {
  const { url, roots, proof, csrPem } = question;
  const body = JSON.stringify({ csr: csrPem });
  const call: Call = {
    url: new URL(`/v1/svid/${proof.kind}`, url),
    body,
    options: {
      method: 'POST',
      ca: [...roots],
      ...(proof.kind === 'renewal' && { cert: proof.svid.certificatePem, key: proof.svid.keyPem }),
      headers: {
        ...(proof.kind !== 'renewal' && { authorization: `Bearer ${proof.token}` }),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    },
  };
  return withDeadline(url, clock, signal, async (bounded) => parseAnswer(await send(call, bounded)));
}

/** What is to be trusted now: `GET /v1/bundle`. */
export function fetchBundle(
  url: string,
  roots: readonly string[],
  trustDomain: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<TrustDocument> {
  const call: Call = { url: new URL('/v1/bundle', url), body: '', options: { ca: [...roots] } };
  return withDeadline(url, clock, signal, async (bounded) =>
    readTrustDocument(parseJson(await send(call, bounded)), trustDomain),
  );
}

interface Call {
  readonly url: URL;
  readonly body: string;
  readonly options: RequestOptions;
}

async function withDeadline<Result>(
  url: string,
  clock: Clock,
  signal: AbortSignal,
  work: (bounded: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = new AbortController();
  const timer = clock.setTimer(() => deadline.abort(), LIMITS.requestMs);
  try {
    return await work(AbortSignal.any([signal, deadline.signal]));
  } catch (error) {
    const reason = deadline.signal.aborted
      ? `no answer within ${LIMITS.requestMs} ms`
      : (error as Error).message;
    if (error instanceof PermanentFailure) throw new PermanentFailure(`${url}: ${reason}`);
    throw new Error(`${url}: ${reason}`, { cause: error });
  } finally {
    timer.cancel();
  }
}

const svidAnswer = z.object({ certificates: z.string(), roots: z.string() });

function parseAnswer(text: string): Answer {
  try {
    return svidAnswer.parse(JSON.parse(text));
  } catch {
    throw new Error('the answer does not hold certificates and roots; is this an authority?');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the answer is not JSON; is this an authority?');
  }
}

/** The text of the answer. */
function send({ url, body, options }: Call, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      // A connection of its own, so that nothing is left between renewals.
      { ...options, agent: false, minVersion: 'TLSv1.3', signal },
      (response) => {
        readBounded(response, LIMITS.answerBytes)
          .then((bytes) => requireSuccess(response.statusCode ?? 0, bytes.toString('utf8')))
          .then(resolve, reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function requireSuccess(status: number, text: string): string {
  if (status === 200) return text;
  const reason = `the authority answered ${status}: ${detailOf(text)}`;
  // Repeating the same request helps when the authority was busy or broken, not when it said no.
  const final = status >= 400 && status < 500 && status !== 408 && status !== 429;
  throw final ? new PermanentFailure(reason) : new Error(reason);
}

function detailOf(text: string): string {
  try {
    const { detail } = z.object({ detail: z.string() }).parse(JSON.parse(text));
    return detail.slice(0, LIMITS.shownDetailLength);
  } catch {
    return 'no reason given';
  }
}
