/**
 * `GET /traces/<id>` at the admin port of the control plane.
 */
import {
  readTraceQuery,
  TRACE_QUERY_HELP,
  TRACE_UNKNOWN,
} from '../../sidecar/src/observe/explain/trace-query.ts';
import type { AdminReply } from '../admin.ts';
import { TooManyQuestions, type TraceQuestions } from './trace-questions.ts';

const PREFIX = '/traces/';

/** Null for any other path. */
export async function answerTrace(path: string, questions: TraceQuestions): Promise<AdminReply | null> {
  if (!path.startsWith(PREFIX)) return null;
  const id = readTraceQuery(path.slice(PREFIX.length));
  if (id === null) return problem(400, 'invalid_id', TRACE_QUERY_HELP);
  try {
    const trace = await questions.find(id);
    return trace === null ? problem(404, 'trace_unknown', TRACE_UNKNOWN) : { status: 200, body: trace };
  } catch (error) {
    if (!(error instanceof TooManyQuestions)) throw error;
    return problem(429, 'too_many_questions', 'as many questions are under way as there may be; ask again');
  }
}

function problem(status: number, code: string, detail: string): AdminReply {
  return { status, body: { status, code, detail } };
}
