/**
 * The YAML of the control plane: strict, and every problem comes back at once with the place where it stands.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Address } from '../../sidecar/src/config/address.ts';
import { placeFinding } from '../../sidecar/src/config/documents.ts';
import { explainIssues } from '../../sidecar/src/config/explain.ts';
import { ConfigError } from '../../sidecar/src/config/problem.ts';
import { loopbackAddress } from '../../sidecar/src/config/values.ts';
import { readYaml } from '../../sidecar/src/config/yaml-source.ts';

export interface ControlConfig {
  /** For the sidecar in front, which proves who asks. */
  readonly listen: Address;
  /** Metrics and health. */
  readonly admin: Address;
}

const document = z.strictObject({
  listen: loopbackAddress(),
  admin: z.strictObject({ listen: loopbackAddress() }).prefault({ listen: '127.0.0.1:0' }),
});

export async function loadControlConfig(file: string): Promise<ControlConfig> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${file}: cannot be read (${error.code}); give the path of the control plane's YAML file`,
    );
  });
  const source = readYaml(text);
  if (source.problems.length > 0) {
    throw new ConfigError(source.problems.map((problem) => ({ file, path: '', ...problem })));
  }
  const parsed = document.safeParse(source.value);
  if (!parsed.success) {
    const findings = explainIssues(parsed.error.issues, source.value, document);
    throw new ConfigError(findings.map((finding) => placeFinding(finding, { file, source })));
  }
  return { listen: parsed.data.listen, admin: parsed.data.admin.listen };
}
