/**
 * Reads the data of alerts: YAML that is right as a whole, or an error that names every place and what to do, as for the config of the mesh.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { z } from 'zod';
import { placeFinding } from '../../sidecar/src/config/documents.ts';
import { explainIssues } from '../../sidecar/src/config/explain.ts';
import { ConfigError } from '../../sidecar/src/config/problem.ts';
import { readYaml } from '../../sidecar/src/config/yaml-source.ts';

/** @throws ConfigError */
export async function readDataFile<Schema extends z.ZodObject>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const origin = { file: basename(path), source: readYaml(await readFile(path, 'utf8')) };
  const { value, problems } = origin.source;
  if (problems.length > 0)
    throw new ConfigError(problems.map((problem) => ({ file: origin.file, path: '', ...problem })));
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const findings = explainIssues(parsed.error.issues, value, schema);
  throw new ConfigError(findings.map((finding) => placeFinding(finding, origin)));
}
