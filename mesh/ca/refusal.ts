/** An answer of the authority other than success. `code` is stable: it stands in answers and logs, and is documented in the README. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail` is shown to whoever asked. */
  constructor(status: number, code: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function refuseProof(code: string, detail: string): Refusal {
  return new Refusal(401, code, detail, { 'www-authenticate': 'Bearer' });
}
