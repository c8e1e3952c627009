// What must hold of a run.
import type { RotationReport } from './rotation.ts';

/** One sentence each; empty when all is well. */
export function findTroubles({ phases, lostJobs, passwords, passwordsInLog }: RotationReport): string[] {
  const troubles: string[] = [];
  for (const { name, failures, rotations, alarm } of phases) {
    const isAway = name === 'sealed' || name === 'killed';
    // The one moment in which users go away before anybody could have others.
    if (failures.size > 0 && !name.startsWith('after'))
      troubles.push(`${name}: commands failed (${[...failures.keys()].join(', ')})`);
    if (isAway && !alarm) troubles.push(`${name}: there was no alarm`);
    if (!isAway && alarm) troubles.push(`${name}: there was an alarm`);
    if (isAway && rotations > 0) troubles.push(`${name}: credentials came from nowhere`);
    if (!isAway && rotations === 0) troubles.push(`${name}: nothing rotated`);
  }
  if (lostJobs > 0) troubles.push(`${lostJobs} jobs were accepted and never done`);
  if (passwords < 2) troubles.push('there was one password only');
  if (passwordsInLog > 0) troubles.push(`${passwordsInLog} passwords stand in the log`);
  return troubles;
}
