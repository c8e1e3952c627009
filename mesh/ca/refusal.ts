/** An answer of the authority other than success. `code` is stable: it stands in answers and logs, and is documented in the README. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail` is shown to whoever asked, the message of `cause` to those who read the log. */
  constructor(
    status: number,
    code: string,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(detail, { cause });
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Nobody did anything wrong: asking again later may help. */
export function unavailable(
  code: string,
  detail: string,
  retryAfterSeconds: number,
  cause?: unknown,
): Refusal {
  return new Refusal(503, code, detail, { 'retry-after': String(retryAfterSeconds) }, cause);
}

export function refuseProof(code: string, detail: string): Refusal {
  return new Refusal(401, code, detail, { 'www-authenticate': 'Bearer' });
}
