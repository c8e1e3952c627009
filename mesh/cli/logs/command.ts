import { CommandFailed } from '../admin-endpoint.ts';
import { type Command, paintOf, print, UsageError } from '../command.ts';
import { fileSource, findLines, type Source, streamSource } from './find-lines.ts';
import { drawLogLine } from './log-line.ts';

export const logs: Command = {
  name: 'logs',
  summary: 'finds the lines of one request in the logs of services and sidecars',
  usage: '--request-id <id> [<file> …] [--json]',
  help: `
Reads logs of JSON lines, from files or from stdin, and shows those that carry the request id in request_id, or its trace id in trace_id, in the order of their
times.

  --request-id <id>   of a request; a trace id of 32 hex digits will do as well
  --json              the lines as they are
  --no-color          without colours, as in a pipe

Without a file it reads stdin:  kubectl logs -l app=orders --all-containers | tulle logs --request-id <id>

Exit code 1 when no line was found.`,
  options: { 'request-id': { type: 'string' } },

  async run(given, terminal) {
    const { values, positionals: files } = given;
    const id = values['request-id'];
    if (typeof id !== 'string' || id === '') throw new UsageError('--request-id is missing');
    const { lines, dropped, read } = await findLines(id, await openSources(files, terminal.input));
    if (lines.length === 0) throw new CommandFailed(`none of ${read} lines carries ${JSON.stringify(id)}`);
    const paint = paintOf(given, terminal);
    print(
      terminal.out,
      lines.map(({ text, line }) => (values.json === true ? text : drawLogLine(line, paint))),
    );
    if (dropped > 0) print(terminal.err, [`note: ${dropped} more lines were left out`]);
    return 0;
  },
};

async function openSources(files: readonly string[], input: NodeJS.ReadStream): Promise<Source[]> {
  if (files.length > 0) return files.map(fileSource);
  if (input.isTTY) throw new UsageError('name files, or pipe a log in');
  return [await streamSource(input)];
}
