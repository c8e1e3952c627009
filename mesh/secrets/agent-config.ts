/**
 * The agent's YAML: strict, and every problem comes back at once with the place where it stands.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Address } from '../../sidecar/src/config/address.ts';
import { placeFinding } from '../../sidecar/src/config/documents.ts';
import { explainIssues } from '../../sidecar/src/config/explain.ts';
import { ConfigError } from '../../sidecar/src/config/problem.ts';
import { address, filePath } from '../../sidecar/src/config/values.ts';
import { readYaml } from '../../sidecar/src/config/yaml-source.ts';
import { placeVaultFiles, secretRef, vaultKey } from './config.ts';
import { LIMITS } from './limits.ts';
import type { RenderFolder } from './render.ts';
import { parseTemplate, type Template } from './template.ts';
import type { VaultConfig } from './vault-session.ts';
import type { VaultRef } from './vault-source.ts';

export interface AgentConfig {
  readonly vault: VaultConfig;
  readonly admin: Address;
  readonly folder: RenderFolder;
  readonly files: readonly AgentFile[];
}

export interface AgentFile {
  readonly name: string;
  readonly ref: VaultRef;
  readonly mode: number;
  /** Null: the secret as it is. */
  readonly template: Template | null;
}

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

const [, fromVault] = secretRef.options;
const file = fromVault
  .extend({
    mode: z
      .string()
      .regex(/^0[46][04]0$/, 'must be 0400, 0440, 0600 or 0640, in quotes')
      .default('0400'),
    template: z.string().max(LIMITS.secretFileBytes).optional(),
  })
  .transform(({ mode, template, ...ref }, context) => {
    let parsed: Template | null = null;
    try {
      if (template !== undefined) parsed = parseTemplate(template, ref.vault);
    } catch (error) {
      context.addIssue({ code: 'custom', path: ['template'], message: (error as Error).message });
    }
    return { ref, mode: Number.parseInt(mode, 8), template: parsed };
  });

export const agentDocument = z.strictObject({
  vault: vaultKey,
  admin: z.strictObject({ listen: address('listen') }).prefault({ listen: '127.0.0.1:0' }),
  folder: filePath.default('/vault/secrets'),
  requireMemory: z.boolean().default(true),
  files: z
    .record(z.string(), file)
    .refine((files) => Object.keys(files).length > 0, 'must name at least one file')
    .refine(
      (files) => Object.keys(files).length <= LIMITS.secrets,
      `must name at most ${LIMITS.secrets} files`,
    )
    .superRefine((files, context) => {
      const message = 'must be a file name of letters, digits, "_", "." and "-"';
      for (const name of Object.keys(files))
        if (!NAME.test(name)) context.addIssue({ code: 'custom', path: [name], message });
    }),
});

/** What the document says, before defaults. */
export type AgentDocument = z.input<typeof agentDocument>;

export function loadAgentConfig(path: string): AgentConfig {
  const source = readYaml(readFileSync(path, 'utf8'));
  if (source.problems.length > 0)
    throw new ConfigError(source.problems.map((problem) => ({ file: path, path: '', ...problem })));
  const parsed = agentDocument.safeParse(source.value);
  if (!parsed.success) {
    const findings = explainIssues(parsed.error.issues, source.value, agentDocument);
    throw new ConfigError(findings.map((finding) => placeFinding(finding, { file: path, source })));
  }
  const { vault, admin, folder, requireMemory, files } = parsed.data;
  return {
    vault: placeVaultFiles(vault, dirname(path)),
    admin: admin.listen,
    folder: { path: resolve(dirname(path), folder), requireMemory },
    files: Object.entries(files).map(([name, content]) => ({ name, ...content })),
  };
}
