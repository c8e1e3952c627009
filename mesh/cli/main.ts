#!/usr/bin/env node
/**
 * `tulle <command>`: what tells people about requests.
 *
 * Exit codes: 0 when it did what it was asked for, 1 when it could not, 2 for arguments that make no sense.
 */
import { closest } from '../../sidecar/src/config/closest.ts';
import { CommandFailed } from './admin-endpoint.ts';
import { type Command, print, readArguments, type Terminal, UsageError } from './command.ts';
import { explain } from './explain/command.ts';
import { logs } from './logs/command.ts';
import { tap } from './tap/command.ts';
import { top } from './top/command.ts';

const COMMANDS: readonly Command[] = [explain, top, tap, logs];

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
// `tulle … | head`: nobody reads any more.
process.stdout.on('error', () => process.exit(0));

const { stdout: out, stderr: err, stdin: input } = process;
// Not `process.exit`: what was written to a pipe has to get there.
process.exitCode = await runTulle(process.argv.slice(2), { out, err, input, stopped: stopping.signal });

async function runTulle([name, ...args]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(name === undefined ? terminal.err : terminal.out, overview());
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) return refuseCommand(name, terminal);
  try {
    const given = readArguments(command, args);
    if (given !== null) return await command.run(given, terminal);
    print(terminal.out, [`usage: tulle ${command.name} ${command.usage}`, '', command.help.trim()]);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof CommandFailed)) throw error;
    const isUsage = error instanceof UsageError;
    const help = isUsage
      ? [`usage: tulle ${command.name} ${command.usage}`, `more: tulle ${command.name} --help`]
      : [];
    print(terminal.err, [`tulle ${command.name}: ${error.message}`, ...help]);
    return isUsage ? 2 : 1;
  }
}

function refuseCommand(name: string, { err }: Terminal): number {
  const meant = closest(
    name,
    COMMANDS.map((command) => command.name),
  );
  const hint = meant === null ? '' : `; did you mean ${meant}?`;
  print(err, [`tulle: there is no command ${JSON.stringify(name)}${hint}`, '', ...overview()]);
  return 2;
}

function overview(): string[] {
  return [
    'usage: tulle <command> [options]',
    '',
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`),
    '',
    'tulle <command> --help tells more. All commands take --json, --no-color and --width <columns>.',
  ];
}
