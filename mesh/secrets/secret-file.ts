/**
 * A secret that stands in a file.
 */
import { readFileSync, statSync } from 'node:fs';
import { LIMITS } from './limits.ts';
import { Secret } from './secret.ts';

/** The whole content without the newline that editors add. Throws an error that names the file and what to do. */
export function readSecretFile(path: string): Secret {
  let text: string;
  try {
    if (statSync(path).size > LIMITS.secretFileBytes)
      throw new Error(`is larger than ${LIMITS.secretFileBytes} bytes, so it is no secret`);
    text = readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? message : `cannot be read (${code}); check its path and permissions`;
    throw new Error(`${path}: ${reason}`);
  }
  if (text === '') throw new Error(`${path}: is empty; write the secret into it`);
  return new Secret(text);
}
