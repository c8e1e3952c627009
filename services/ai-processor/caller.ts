/**
 * Who calls, and for how long.
 *
 * Invariant: work that nobody waits for any more is given up: when the caller, or its sidecar at a deadline, closes the connection, and when
 * the service's own time for a request is over.
 */
import { trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { slug, TENANT_HEADER } from '../lib/contracts.ts';
import { ATTR_TENANT } from '../lib/job-queue.ts';
import { Problem } from '../lib/problem.ts';

export interface Caller {
  tenant: string;
  signal: AbortSignal;
}

export function callerOf(request: FastifyRequest, reply: FastifyReply, timeoutMs: number): Caller {
  return { tenant: tenantOf(request), signal: patienceOf(reply, timeoutMs) };
}

function tenantOf(request: FastifyRequest): string {
  const tenant = slug.safeParse(request.headers[TENANT_HEADER]);
  if (!tenant.success) {
    throw new Problem({
      status: 400,
      code: 'no_tenant',
      detail: `Name the tenant in ${TENANT_HEADER}: lower-case words joined by dashes.`,
    });
  }
  trace.getActiveSpan()?.setAttribute(ATTR_TENANT, tenant.data);
  return tenant.data;
}

function patienceOf(reply: FastifyReply, timeoutMs: number): AbortSignal {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(tooLate(timeoutMs)), timeoutMs);
  reply.raw.once('close', () => {
    clearTimeout(timer);
    controller.abort(new Problem({ status: 499, code: 'caller_gone', detail: 'The caller did not wait.' }));
  });
  return controller.signal;
}

function tooLate(timeoutMs: number): Problem {
  return new Problem({
    status: 503,
    code: 'too_late',
    detail: `The texts waited for the model longer than ${timeoutMs} ms.`,
    headers: { 'retry-after': '1' },
  });
}
