/**
 * Refuses a process whose environment holds a secret: it is inherited by every child, shown by `ps e` and `/proc`, and copied into crash reports.
 *
 * Only names and values that are ours to judge count, so that a shell with somebody else's token in it can start things.
 */
const OURS =
  /^(TULLE|REDIS|VALKEY|MONGO|MONGODB|KAFKA|CLICKHOUSE|WEBHOOK|GATEWAY|AI|OPENAI|ANTHROPIC|VAULT|BAO)_(\w+_)?(PASSWORD|PASS|PASSWD|TOKEN|SECRET|SECRET_ID|SECRETS|API_KEY|KEY|CREDENTIALS)$/;
const URL_WITH_PASSWORD =
  /^(redis|rediss|valkey|valkeys|mongodb|mongodb\+srv|kafka|clickhouse):\/\/[^/@]*:[^@]+@/;

/** Throws an error that names the variables and not what is in them. */
export function refuseSecretsInEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  const names = Object.entries(environment)
    .filter(([name, value]) => value && (OURS.test(name) || URL_WITH_PASSWORD.test(value)))
    .map(([name]) => name)
    .sort();
  if (names.length === 0) return;
  throw new Error(
    `the environment holds a secret in ${names.join(', ')}; unset it, and give the secret in a file or in Vault that the config names under \`secrets\` (mesh/secrets/README.md)`,
  );
}
