/** The page of all failure codes, for people who meet one. */

import { FAILURES, type FailureKind, type FailureSource } from '../src/core/failure.ts';
import { guideTo } from '../src/core/failure-guide.ts';
import { REQUESTS } from '../src/observe/request-exposition.ts';

const SOURCES: Record<Exclude<FailureSource, 'none'>, string> = {
  downstream: 'The caller is to blame',
  policy: 'A rule of the operator said so',
  upstream: 'The called side is to blame',
  mesh: 'The mesh itself',
};

export function renderFailures(): string {
  const sections = Object.entries(SOURCES).flatMap(([source, title]) => [
    `## ${title}`,
    '',
    ...FAILURES.filter((failure) => failure.source === source).flatMap(section),
  ]);
  return [
    '# Failure codes',
    '',
    'Made by `npm run generate` from `sidecar/src/core/failure.ts` and `failure-guide.ts`.',
    '',
    `The same code stands in the access log (\`failure\`), in spans (\`tulle.failure.code\`, \`error.type\`), in metrics (\`failure\` of \`${REQUESTS.name}\`), in the problem body`,
    '(`code`) and in the message of gRPC. Names do not change, since alerts and dashboards match on them.',
    '',
    ...sections,
  ].join('\n');
}

function section(failure: FailureKind): string[] {
  const { name, reason, httpStatus, grpcStatus, retryable } = failure;
  const guide = guideTo(failure);
  const answer =
    httpStatus === 0
      ? 'nobody is left to answer, or there is no request'
      : `HTTP ${httpStatus}, gRPC ${grpcStatus}`;
  return [
    `### ${name}`,
    '',
    `${reason}`,
    '',
    `- Answer: ${answer}${retryable ? '; may be tried again, as nothing of the request was processed' : ''}`,
    `- Usual causes: ${(guide?.causes ?? []).join('; ')}`,
    `- What to do: ${(guide?.advice ?? []).join('; ')}`,
    '',
  ];
}
