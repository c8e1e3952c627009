/**
 * How commands reach the running authority: a Unix socket in its state folder, one JSON document there and one back.
 *
 * Invariants: whoever may open the socket may command, and that is the owner of the state folder alone. One authority at a time has a state
 * folder, since it keeps in memory what it wrote there. Commands and answers are bounded in size and time.
 */
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { readBounded } from '../../sidecar/src/core/read-bounded.ts';
import { LIMITS } from './limits.ts';

/** What was asked for can not be done, now or at all: nothing was changed. */
export type CommandAnswer =
  | { readonly result: unknown }
  | { readonly refused: string; readonly earliestMs: number | null };

export interface CommandSocket {
  close(): void;
}

const SOCKET = 'control.sock';
/** `sun_path` of Linux, without the zero at its end. */
const MAX_PATH_BYTES = 107;

/** `run` gets what was sent, unchecked. */
export async function serveCommands(
  stateDir: string,
  run: (command: unknown) => Promise<CommandAnswer>,
): Promise<CommandSocket> {
  const path = socketPath(stateDir);
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  if (await isServed(path))
    throw new Error(`${stateDir}: another authority is running with this state folder; give each its own`);
  await rm(path, { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => void answer(socket, run));
  server.maxConnections = LIMITS.commandsUnderWay;
  await listen(server, path);
  return { close: () => void server.close() };
}

/** Throws when no authority runs with that folder. */
export async function sendCommand(stateDir: string, command: object): Promise<CommandAnswer> {
  const path = socketPath(stateDir);
  const socket = connect({ path, allowHalfOpen: true });
  socket.setTimeout(LIMITS.commandMs, () => socket.destroy(new Error('no answer in time')));
  try {
    await once(socket, 'connect');
    socket.end(JSON.stringify(command));
    return JSON.parse((await readBounded(socket, LIMITS.commandAnswerBytes)).toString('utf8'));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}; is the authority of this config running?`);
  } finally {
    socket.destroy();
  }
}

async function answer(socket: Socket, run: (command: unknown) => Promise<CommandAnswer>): Promise<void> {
  socket.on('error', () => {
    // Whoever asked went away; what was done is done, and in the log.
  });
  socket.setTimeout(LIMITS.commandMs, () => socket.destroy());
  try {
    // Leaving the loop must not destroy the socket: the answer still has to be sent.
    const sent = await readBounded(socket.iterator({ destroyOnReturn: false }), LIMITS.commandBytes);
    socket.end(JSON.stringify(await run(JSON.parse(sent.toString('utf8')))));
  } catch (error) {
    const refused: CommandAnswer = { refused: (error as Error).message, earliestMs: null };
    socket.end(JSON.stringify(refused));
  }
}

/** A socket that was left behind refuses connections. */
async function isServed(path: string): Promise<boolean> {
  const probe = connect(path);
  try {
    await once(probe, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    probe.destroy();
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const listening = once(server, 'listening');
  // It is made within the call, and is at no time open to others.
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await listening;
  server.unref();
}

function socketPath(stateDir: string): string {
  const path = join(stateDir, SOCKET);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  throw new Error(
    `${path}: is longer than the ${MAX_PATH_BYTES} bytes that a socket may have; use a shorter stateDir`,
  );
}
