import { formatMs } from '../trace/columns.ts';
import { CALL, CODE } from '../trace/slowness.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { PolicyAct } from './policies.ts';

// A diagnosis as a person says it: one paragraph of short sentences.

/** Less is within one round of events. */
const AT_ONCE_MS = 0.1;

export function tellDiagnosis(diagnosis: Diagnosis): string {
  return [
    headline(diagnosis),
    ...reason(diagnosis),
    ...answer(diagnosis),
    ...usualTime(diagnosis),
    ...tries(diagnosis),
    ...new Set(diagnosis.policies.flatMap(tellPolicy)),
    ...diagnosis.outstanding.map((what) => `It is not over: ${what}.`),
  ].join(' ');
}

function headline(diagnosis: Diagnosis): string {
  const { outcome, request, longest } = diagnosis;
  const asked = request.operation === '' ? 'The request' : request.operation;
  switch (outcome) {
    case 'died':
      return `${asked} died at ${where(diagnosis)}: ${code(diagnosis)}.`;
    case 'refused':
      return `${asked} was refused at ${where(diagnosis)}: ${code(diagnosis)}.`;
    case 'recovered':
      return `${asked} succeeded in the end, after a failure at ${where(diagnosis)}: ${code(diagnosis)}.`;
    case 'slow':
      return `${asked} succeeded and was slow: most of the time went by at ${where(diagnosis)}.`;
    case 'ok': {
      const { hop, phase, ms } = longest ?? { hop: '', phase: '', ms: 0 };
      const most =
        hop === '' ? '' : ` Most of its time, ${formatMs(ms)}, went by at ${hop}, ${during(phase)}.`;
      const soFar = diagnosis.outstanding.length > 0 ? ' so far' : '';
      return `${asked} succeeded at every hop${soFar}.${most}`;
    }
  }
}

/** `gateway sidecar out, on the way to worker, in its connect phase` */
function where({ hop, target, rule, phase }: Diagnosis): string {
  const way = target === null ? '' : `, on the way to ${target}`;
  const byRule = rule === null ? '' : ` by the rule ${rule}`;
  return `${hop}${way}${byRule}, ${during(phase ?? '')}`;
}

function during(phase: string): string {
  if (phase === CODE) return 'in its own code';
  return phase === CALL ? 'while it waited for an answer' : `in its ${phase} phase`;
}

function code({ failureCode, status, durationMs, operation }: Diagnosis): string {
  const after =
    durationMs === null || durationMs < AT_ONCE_MS ? ', at once' : ` after ${formatMs(durationMs)}`;
  if (status !== null && failureCode === String(status)) return `${operation} was answered ${status}${after}`;
  const answered = status === null ? '' : ` (${status})`;
  return `${failureCode ?? 'an error without a code'}${answered}${after}`;
}

function reason({ meaning, failureDetail, givenUpBy }: Diagnosis): string[] {
  return [
    ...(meaning === null ? [] : [meaning]),
    ...(givenUpBy === null ? [] : [`It was ${givenUpBy} that did not wait any longer.`]),
    ...(failureDetail === null ? [] : [`In detail: ${failureDetail.replace(/\.$/, '')}.`]),
  ];
}

function answer({ outcome, request, status }: Diagnosis): string[] {
  if (outcome === 'ok' || outcome === 'slow' || outcome === 'recovered') return [];
  if (request.status === null) return ['The caller got no answer.'];
  // When the caller was told the same, the headline has said it.
  if (request.status === status) return [];
  const took = formatMs(request.durationMs);
  return request.status < 400
    ? [`The caller had been answered ${request.status} in ${took}: it does not know.`]
    : [`The caller was answered ${request.status} after ${took}.`];
}

function usualTime({ usual }: Diagnosis): string[] {
  if (usual === null) return [];
  const { hop, tookMs, p50Ms, p99Ms } = usual;
  const much = tookMs > p99Ms ? 'longer than 99 of 100 do' : 'within what is usual';
  return [
    `${hop} took ${formatMs(tookMs)}, ${much}: half of its requests take ${formatMs(p50Ms)} at most, 99 of 100 ${formatMs(p99Ms)}.`,
  ];
}

function tries({ attempts, policies }: Diagnosis): string[] {
  const told = policies.some(({ kind }) => kind === 'retry');
  return attempts === null || attempts < 2 || told ? [] : [`It was tried ${attempts} times.`];
}

/** Who let it pass is of no interest, the more so as every hop does. */
function tellPolicy({ kind, policy, rule, action, hop, detail }: PolicyAct): string[] {
  if (action === 'allowed') return [];
  if (action === 'tried again') return [`The retry policy acted at ${hop}: ${detail}.`];
  const name = policy === null ? `A ${kind} policy` : `The ${kind} policy ${policy}`;
  const byRule = rule === null || rule === 'no_rule' ? '' : ` (rule ${rule})`;
  const inShadow = action.startsWith('would') ? ' (shadow)' : '';
  return [`${name}${byRule} ${action} it at ${hop}${inShadow}.`];
}
