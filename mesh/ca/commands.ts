/**
 * What can be asked of a running authority by whoever owns its state folder: the steps of a root rotation, and who is denied.
 */
import { z } from 'zod';
import { writeDenyList } from '../../sidecar/src/identity/deny-list.ts';
import type { CommandAnswer } from './command-socket.ts';
import { DenialRefused, type Denials } from './denials.ts';
import { RotationRefused, type RotationStatus, type RotationStep } from './root-rotation.ts';

export interface Commanded {
  /** Null where the root is kept elsewhere. */
  readonly rotation: Rotation | null;
  readonly denials: Denials;
  readonly report: (event: CommandEvent) => void;
}

export interface Rotation {
  rotateRoot(step: RotationStep, options: { readonly force: boolean }): Promise<void>;
  readonly rotation: RotationStatus;
}

/** What was done, for the log. */
export type CommandEvent =
  | { readonly event: 'root_rotation'; readonly step: RotationStep; readonly sequence: number }
  | { readonly event: 'denied' | 'allowed'; readonly spiffeId?: string; readonly serialNumber?: string };

export const ROTATION_STEPS = ['prepare', 'activate', 'retire', 'cancel'] as const satisfies RotationStep[];

const who = z.union([z.strictObject({ spiffeId: z.string() }), z.strictObject({ serialNumber: z.string() })]);

const command = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('rotation') }),
  z.strictObject({ command: z.literal('rotate-root'), step: z.enum(ROTATION_STEPS), force: z.boolean() }),
  z.strictObject({ command: z.literal('denied') }),
  z.strictObject({ command: z.enum(['deny', 'allow']), who }),
]);
export type Command = z.infer<typeof command>;

export async function runCommand(sent: unknown, commanded: Commanded): Promise<CommandAnswer> {
  const { success, data } = command.safeParse(sent);
  if (!success) return refuse('the authority does not know that command; is it of another version?');
  try {
    return await run(data, commanded);
  } catch (error) {
    if (error instanceof RotationRefused) return { refused: error.message, earliestMs: error.earliestMs };
    if (error instanceof DenialRefused) return refuse(error.message);
    throw error;
  }
}

async function run(asked: Command, { rotation, denials, report }: Commanded): Promise<CommandAnswer> {
  switch (asked.command) {
    case 'deny':
      if (await denials.deny(asked.who)) report({ event: 'denied', ...asked.who });
      return { result: writeDenyList(denials.list) };
    case 'allow':
      if (!(await denials.allow(asked.who))) return refuse('that is not denied');
      report({ event: 'allowed', ...asked.who });
      return { result: writeDenyList(denials.list) };
    case 'denied':
      return { result: writeDenyList(denials.list) };
  }
  if (rotation === null) return refuse('the root is in Vault: its README says how to replace it there');
  if (asked.command === 'rotate-root') {
    const { step, force } = asked;
    await rotation.rotateRoot(step, { force });
    report({ event: 'root_rotation', step, sequence: rotation.rotation.sequence });
  }
  return { result: rotation.rotation };
}

function refuse(refused: string): CommandAnswer {
  return { refused, earliestMs: null };
}
