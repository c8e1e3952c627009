// The page of true examples: what the command line said of each death, without what differs from run to run.
import type { Diagnosis } from '../../mesh/cli/explain/diagnosis.ts';

export interface Told {
  readonly diagnosis: Diagnosis;
  readonly words: string;
}

export interface Example {
  readonly of: string;
  /** What was broken. */
  readonly how: string;
  readonly told: Told;
}

const HEAD = `# What tulle explain says

One request killed at each hop, and what \`npx tulle explain <request id>\` said of it under its waterfall. \`test/explain\` kills them, in a mesh of real
processes, and fails when this page says something else; \`npx vitest run test/explain -u\` writes it anew. Times, ports and the ids of requests are left out.
How the command works stands in [mesh/cli](../mesh/cli/README.md).
`;

export function drawPage(examples: readonly Example[]): string {
  return [HEAD, ...examples.map(drawExample)].join('\n');
}

function drawExample({ of, how, told }: Example): string {
  const { hop, phase, failureCode, causes, next, reference } = told.diagnosis;
  const lines = [
    `## ${of}`,
    `${how} Hop \`${hop}\`, phase \`${phase}\`, code \`${failureCode}\`:`,
    `> ${told.words}`,
    `What usually is behind it\n\n${bullets(causes)}`,
    `What to do next\n\n${bullets(next)}`,
    ...(reference === null ? [] : [`More: [${reference}](${reference.replace('docs/', '')}).`]),
  ];
  return `${lines.join('\n\n')}\n`
    .replaceAll(told.diagnosis.requestId ?? '', '<request id>')
    .replace(TIMES, '')
    .replace(PORTS, '…');
}

function bullets(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

const TIMES = / after [\d.]+ m?s|, at once| in [\d.]+ m?s(?=: it does not know)/g;
const PORTS = /(?<=127\.0\.0\.1:)\d+/g;
