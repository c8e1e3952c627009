/**
 * Who calls, and whether they still wait.
 */
import { trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { slug, TENANT_HEADER } from '../lib/contracts.ts';
import { ATTR_TENANT } from '../lib/job-queue.ts';
import { Problem } from '../lib/problem.ts';

export interface Caller {
  tenant: string;
  /** Aborted when the caller, or its sidecar at a deadline, has closed the connection. */
  signal: AbortSignal;
}

export function callerOf(request: FastifyRequest, reply: FastifyReply): Caller {
  const tenant = slug.safeParse(request.headers[TENANT_HEADER]);
  if (!tenant.success) {
    throw new Problem({
      status: 400,
      code: 'no_tenant',
      detail: `Name the tenant in ${TENANT_HEADER}: lower-case words joined by dashes.`,
    });
  }
  trace.getActiveSpan()?.setAttribute(ATTR_TENANT, tenant.data);
  const gone = new AbortController();
  const reason = new Problem({ status: 499, code: 'caller_gone', detail: 'The caller did not wait.' });
  if (request.raw.socket.destroyed) gone.abort(reason);
  else reply.raw.once('close', () => gone.abort(reason));
  return { tenant: tenant.data, signal: gone.signal };
}
