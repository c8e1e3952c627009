import type { Case, Expectation } from '../case.ts';
import { wire } from '../wire.ts';

/** The request in front of every answer: a client that takes all there is. */
export const ASK = wire`
  GET /ask HTTP/1.1
  Host: a.test
  Connection: TE
  TE: trailers

  `;

/** Stand in answers that must be refused; the suite looks for the word in what the client gets. */
export const LEAKING_FIELDS = 'X-Leak: leak\r\nContent-Length: 4\r\n';

/** One case per row, whose answer differs in one place. The origin closes behind it, so that nothing is waited for. */
export function answers(
  expect: Expectation,
  answer: (varied: string) => string,
  rows: [id: string, varied: string, why: string][],
): Case[] {
  return rows.map(([id, varied, why]) => ({ id, why, send: ASK, answers: [answer(varied)], expect }));
}

/** As `answers`, and the origin ends the connection behind its bytes. */
export function lastAnswers(...[expect, answer, rows]: Parameters<typeof answers>): Case[] {
  return rows.map(([id, varied, why]) => ({
    id,
    why,
    send: ASK,
    answers: [{ bytes: answer(varied), after: 'end' }],
    expect,
  }));
}
