/**
 * Runs a workflow: its steps one after the other, each inside a span of its own.
 *
 * Invariants: a step done again does nothing new, since the ids of deliveries and documents come from the job, so that running it again after
 * a crash or a failed attempt changes nothing that was done before; only what a search finds may have changed meanwhile.
 */
import { createHash } from 'node:crypto';
import { type DeliveryRequest, type RunWork, text } from '../lib/contracts.ts';
import { type AcceptedJob, PermanentFailure } from '../lib/job-worker.ts';
import { LIMITS } from '../lib/limits.ts';
import { inSpan } from '../lib/span.ts';
import type { WorkflowStep, Workflows } from '../lib/workflow-file.ts';

export interface RunOutcome {
  results: Record<string, unknown>;
  deliveryIds: string[];
}

/** What steps ask of other services, for a tenant. */
export interface Actions {
  deliver: (delivery: DeliveryRequest) => Promise<void>;
  keepDocument: (tenant: string, id: string, text: string) => Promise<void>;
  search: (tenant: string, query: string, limit: number) => Promise<unknown>;
}

export async function runWorkflow(
  workflows: Workflows,
  job: AcceptedJob<RunWork>,
  actions: Actions,
): Promise<RunOutcome> {
  const { workflow } = job.work;
  const steps = Object.hasOwn(workflows, workflow) ? workflows[workflow] : undefined;
  if (!steps) throw new PermanentFailure(`there is no workflow ${JSON.stringify(workflow)} here`);
  const outcome: RunOutcome = { results: {}, deliveryIds: [] };
  for (const step of steps) await runStep(step, job, outcome, actions);
  return outcome;
}

async function runStep(
  step: WorkflowStep,
  job: AcceptedJob<RunWork>,
  outcome: RunOutcome,
  actions: Actions,
): Promise<void> {
  const attributes = { 'tulle.workflow': job.work.workflow, 'tulle.step': step.name };
  await inSpan(`step ${step.name}`, { attributes }, async () => {
    try {
      await perform(step, job, outcome, actions);
    } catch (error) {
      // The run's reason has to say where it died, in the caller's words.
      (error as Error).message = `step ${step.name}: ${(error as Error).message}`;
      throw error;
    }
  });
}

async function perform(
  step: WorkflowStep,
  job: AcceptedJob<RunWork>,
  outcome: RunOutcome,
  actions: Actions,
): Promise<void> {
  const { input, webhookUrl, workflow } = job.work;
  if (step.kind === 'require') {
    const missing = step.fields.filter((field) => !Object.hasOwn(input, field));
    if (missing.length > 0) throw new PermanentFailure(`the input lacks ${missing.join(', ')}`);
  } else if (step.kind === 'digest') {
    outcome.results[step.name] = createHash('sha256')
      .update(JSON.stringify(sortKeys(input)))
      .digest('hex');
  } else if (step.kind === 'embed') {
    await actions.keepDocument(job.tenant, `${job.id}-${step.name}`, textOf(input, step.field));
  } else if (step.kind === 'search') {
    const query = textOf(input, step.field);
    outcome.results[step.name] = await actions.search(job.tenant, query, step.limit);
  } else {
    const deliveryId = `${job.id}-${step.name}`;
    await actions.deliver({
      deliveryId,
      tenant: job.tenant,
      url: webhookUrl,
      event: {
        type: step.event,
        timestamp: new Date(job.acceptedAtMs).toISOString(),
        data: { runId: job.id, workflow, input, results: outcome.results },
      },
    });
    outcome.deliveryIds.push(deliveryId);
  }
}

function textOf(input: Record<string, unknown>, field: string): string {
  const parsed = text.safeParse(Object.hasOwn(input, field) ? input[field] : undefined);
  if (parsed.success) return parsed.data;
  throw new PermanentFailure(`${field} in the input is no text of 1 to ${LIMITS.textChars} characters`);
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sortKeys(item)]));
}
