import { CommandFailed, openAdmin, printable } from '../admin-endpoint.ts';
import { type Command, listOf, paintOf, print, readEndpoint, readNumber, UsageError } from '../command.ts';
import { LIMITS } from '../limits.ts';
import { drawLogLine, type LogLine, parseLogLine } from '../logs/log-line.ts';

/** Options that are filters of the endpoint, and how it calls them. */
const FILTERS = {
  route: 'route',
  direction: 'direction',
  method: 'method',
  path: 'path',
  status: 'status',
  failure: 'failure',
  'request-id': 'request_id',
} as const;

export const tap: Command = {
  name: 'tap',
  summary: 'shows requests as they end, live, with filters',
  usage: '--sidecar <url> … [--failure any] [--status 5xx] [--path /v1] … [--json]',
  help: `
Shows the access log of sidecars as it is written, until Ctrl-C. Queries, headers and bodies are in neither. A sidecar with much to tell leaves lines
out rather than wait, and says how many.

  --sidecar <url>       admin port of a sidecar; may be given several times
  --route <name>        of a listener, or a host that is called
  --direction <way>     inbound or outbound
  --method <method>
  --path <prefix>
  --status <status>     or a class such as 5xx
  --failure <code>      or any, for whatever did not simply succeed
  --request-id <id>
  --count <n>           ends after so many lines
  --json                the lines as they are
  --no-color            without colours, as in a pipe

Several filters hold all together.`,
  options: {
    sidecar: { type: 'string', multiple: true },
    count: { type: 'string' },
    ...Object.fromEntries(Object.keys(FILTERS).map((option) => [option, { type: 'string' as const }])),
  },

  async run(given, terminal) {
    const { values, positionals } = given;
    if (positionals.length > 0) throw new UsageError(`takes no argument ${JSON.stringify(positionals[0])}`);
    const endpoints = listOf(given, 'sidecar').map((value) => readEndpoint('sidecar', value));
    if (endpoints.length === 0)
      throw new UsageError('the admin port of a sidecar is missing: --sidecar 127.0.0.1:15000');
    let left =
      values.count === undefined ? Infinity : readNumber('count', String(values.count), 1, LIMITS.maxCount);
    const query = new URLSearchParams();
    for (const [option, name] of Object.entries(FILTERS)) {
      if (values[option] !== undefined) query.set(name, String(values[option]));
    }
    const enough = new AbortController();
    const signal = AbortSignal.any([terminal.stopped, enough.signal]);
    const paint = paintOf(given, terminal);
    const show = (text: string): void => {
      const line = parseLogLine(text);
      if (line === null || left === 0) return;
      if (typeof line.tap_dropped === 'number') {
        print(terminal.err, [
          `note: ${line.tap_dropped} lines were left out: they came faster than they could be shown`,
        ]);
        return;
      }
      print(terminal.out, [values.json === true ? text : `${drawLogLine(line, paint)}${requestOf(line)}`]);
      if (--left === 0) enough.abort();
    };
    // All are opened before any is shown: one that can't be is an error, and no surprise later.
    const opened = await Promise.all(
      endpoints.map((endpoint) => openAdmin(endpoint, `/tap?${query}`, signal)),
    );
    await Promise.all(
      opened.map(async (lines, index) => {
        let end = `${endpoints[index]} has ended`;
        try {
          for await (const line of lines) show(line);
        } catch (error) {
          if (!(error instanceof CommandFailed)) throw error;
          end = error.message;
        }
        if (!signal.aborted) print(terminal.err, [`note: ${end}`]);
      }),
    );
    return 0;
  },
};

/** So that it can be explained next. */
function requestOf({ request_id: id }: LogLine): string {
  return typeof id === 'string' && id !== '' ? ` request ${printable(id)}` : '';
}
