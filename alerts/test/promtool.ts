// Rule files and their tests through promtool, which reads files: they lie in a folder that goes away.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPromtool } from '../../test/parts/prometheus.ts';

export type Verdict = Awaited<ReturnType<typeof runPromtool>>;

export function checkRules(rules: object): Promise<Verdict> {
  return withFiles({ 'rules.yaml': rules }, (folder) =>
    runPromtool(['check', 'rules', join(folder, 'rules.yaml')]),
  );
}

/** `test` as promtool has it, without its `rule_files`. Each of `ruleFiles` is the content of one. */
export function testRules(ruleFiles: readonly object[], test: object): Promise<Verdict> {
  const rules = ruleFiles.map((content, at) => [`rules-${at}.yaml`, content] as const);
  const files = {
    ...Object.fromEntries(rules),
    'test.yaml': { rule_files: rules.map(([name]) => name), ...test },
  };
  return withFiles(files, (folder) => runPromtool(['test', 'rules', join(folder, 'test.yaml')]));
}

async function withFiles<T>(
  files: Readonly<Record<string, object>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tulle-promtool-'));
  try {
    // JSON is YAML.
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), JSON.stringify(content));
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
