import { CommandFailed } from '../admin-endpoint.ts';
import {
  type Command,
  type Given,
  listOf,
  paintOf,
  print,
  readEndpoint,
  UsageError,
  widthOf,
} from '../command.ts';
import { wrapWords } from '../trace/columns.ts';
import type { Paint } from '../trace/paint.ts';
import type { Span } from '../trace/span.ts';
import { drawWaterfall } from '../trace/waterfall.ts';
import { type Diagnosis, diagnose } from './diagnosis.ts';
import { askControlPlane, askSidecars } from './find-trace.ts';
import type { FoundTrace } from './found-trace.ts';
import { tellDiagnosis } from './words.ts';

const CONTROL = 'http://127.0.0.1:15011';

export const explain: Command = {
  name: 'explain',
  summary: 'says of one request where its time went, and where it died if it did',
  usage: '<request id | trace id> [--control <url> | --sidecar <url> …] [--json]',
  help: `
The id is that of the x-request-id header, which every answer has, or a trace id of 32 hex digits.

  --control <url>   admin port of the control plane, which asks all sidecars; ${CONTROL} without it
  --sidecar <url>   admin port of a sidecar, asked directly; may be given several times
  --json            the diagnosis and the spans, for machines
  --width <n>       columns to draw in
  --no-color        without colours, as in a pipe

Exit code 0 when the request was explained, 1 when nobody knows it or nobody answers.`,
  options: { control: { type: 'string' }, sidecar: { type: 'string', multiple: true } },

  async run(given, terminal) {
    const { id, ask } = readWhom(given);
    const width = widthOf(given, terminal);
    const found = await ask();
    if (found.trace.spans.size === 0) throw new CommandFailed(`nobody has a span of ${id}`);
    const diagnosis = diagnose(found.trace, found.requestId);
    if (given.values.json === true) {
      print(terminal.out, [JSON.stringify(toJson(diagnosis, found), null, 2)]);
      return 0;
    }
    const paint = paintOf(given, terminal);
    print(terminal.out, [
      ...drawWaterfall(found.trace, { width, paint }),
      '',
      ...wrapWords(tellDiagnosis(diagnosis), width - 2).map((line) => `  ${line}`),
      ...advice(diagnosis, width, paint),
      ...partly(found, width, paint),
    ]);
    return 0;
  },
};

function readWhom(given: Given): { id: string; ask: () => Promise<FoundTrace> } {
  const [id, ...more] = given.positionals;
  if (id === undefined || more.length > 0) throw new UsageError('one id of a request, please');
  const sidecars = listOf(given, 'sidecar').map((value) => readEndpoint('sidecar', value));
  const { control } = given.values;
  if (sidecars.length > 0 && control !== undefined)
    throw new UsageError('either --control or --sidecar, not both');
  if (sidecars.length > 0) return { id, ask: () => askSidecars(sidecars, id) };
  const endpoint = readEndpoint('control', String(control ?? CONTROL));
  return { id, ask: () => askControlPlane(endpoint, id) };
}

function advice({ causes, next, reference }: Diagnosis, width: number, paint: Paint): string[] {
  const block = (title: string, items: readonly string[]) =>
    items.length === 0
      ? []
      : ['', `  ${paint('bold', title)}`, ...items.flatMap((item) => bullet(item, width))];
  return [
    ...block('What usually is behind it', causes),
    ...block('What to do next', next),
    ...(reference === null ? [] : ['', `  ${paint('dim', `more: ${reference}`)}`]),
  ];
}

function bullet(item: string, width: number): string[] {
  return wrapWords(item, width - 4).map((line, index) => `${index === 0 ? '  - ' : '    '}${line}`);
}

function partly({ asked, answered }: FoundTrace, width: number, paint: Paint): string[] {
  if (answered >= asked) return [];
  const note = `note: ${answered} of ${asked} sidecars answered; spans of the others are missing above, and may say more`;
  return ['', ...wrapWords(note, width - 2).map((line) => `  ${paint('yellow', line)}`)];
}

function toJson(diagnosis: Diagnosis, { trace, asked, answered }: FoundTrace): object {
  return {
    diagnosis,
    words: tellDiagnosis(diagnosis),
    asked,
    answered,
    spans: [...trace.spans.values()].map(spanJson),
  };
}

function spanJson(span: Span): object {
  return {
    ...span,
    attributes: Object.fromEntries(span.attributes),
    events: span.events.map((event) => ({ ...event, attributes: Object.fromEntries(event.attributes) })),
  };
}
