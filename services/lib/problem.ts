/**
 * Errors that a caller is told about, as problem+json (RFC 9457).
 *
 * Invariants: `code` is stable and says what happened, `detail` says where and what to do; an error that is not a Problem is answered with
 * 500 and no detail, because its text was not written for a caller.
 */
import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';

export const PROBLEM_TYPE = 'application/problem+json';

/** What the caller was told, for those who read the span instead. */
export const ATTR_PROBLEM_CODE = 'tulle.problem.code';
export const ATTR_PROBLEM_DETAIL = 'tulle.problem.detail';

export interface FieldError {
  /** JSON pointer into the request body. */
  pointer: string;
  detail: string;
}

export interface ProblemOptions {
  status: number;
  code: string;
  detail: string;
  /** The failure code of the mesh, or of the service behind, that this comes from. */
  reason?: string;
  errors?: FieldError[];
  headers?: Record<string, string>;
  cause?: unknown;
}

export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly reason: string | undefined;
  readonly errors: FieldError[] | undefined;
  readonly headers: Record<string, string>;

  constructor(options: ProblemOptions) {
    super(options.detail, { cause: options.cause });
    this.status = options.status;
    this.code = options.code;
    this.reason = options.reason;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }

  toBody(requestId: string | undefined) {
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      code: this.code,
      detail: this.message,
      reason: this.reason,
      errors: this.errors,
      requestId,
    };
  }
}

export function notFound(what: string): Problem {
  return new Problem({ status: 404, code: 'not_found', detail: `${what} does not exist.` });
}

/** Parses a request body once, strictly; what the handler gets, it can trust. */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap(describeIssue);
  throw new Problem({
    status: 422,
    code: 'invalid_body',
    detail: 'The request body does not have the required form; errors says where.',
    errors,
  });
}

/** undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describeIssue(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: toPointer([...issue.path, key]), detail: 'unknown member' }));
  }
  return [{ pointer: toPointer(issue.path), detail: issue.message }];
}

function toPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
