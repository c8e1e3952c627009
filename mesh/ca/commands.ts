/**
 * What can be asked of a running authority by whoever owns its state folder: the steps of a root rotation.
 */
import { z } from 'zod';
import type { CommandAnswer } from './command-socket.ts';
import { RotationRefused, type RotationStatus, type RotationStep } from './root-rotation.ts';

export interface Commanded {
  /** Null where the root is kept elsewhere. */
  readonly rotation: Rotation | null;
  readonly report: (event: CommandEvent) => void;
}

export interface Rotation {
  rotateRoot(step: RotationStep, options: { readonly force: boolean }): Promise<void>;
  readonly rotation: RotationStatus;
}

export type CommandEvent = {
  readonly event: 'root_rotation';
  readonly step: RotationStep;
  readonly sequence: number;
};

export const ROTATION_STEPS = ['prepare', 'activate', 'retire', 'cancel'] as const satisfies RotationStep[];

const command = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('rotation') }),
  z.strictObject({ command: z.literal('rotate-root'), step: z.enum(ROTATION_STEPS), force: z.boolean() }),
]);
export type Command = z.infer<typeof command>;

export async function runCommand(sent: unknown, commanded: Commanded): Promise<CommandAnswer> {
  const { success, data } = command.safeParse(sent);
  if (!success) return refuse('the authority does not know that command; is it of another version?');
  const { rotation, report } = commanded;
  if (rotation === null) return refuse('the root is in Vault: its README says how to replace it there');
  if (data.command === 'rotation') return { result: rotation.rotation };
  try {
    const { step, force } = data;
    await rotation.rotateRoot(step, { force });
    report({ event: 'root_rotation', step, sequence: rotation.rotation.sequence });
    return { result: rotation.rotation };
  } catch (error) {
    if (error instanceof RotationRefused) return { refused: error.message, earliestMs: error.earliestMs };
    throw error;
  }
}

function refuse(refused: string): CommandAnswer {
  return { refused, earliestMs: null };
}
