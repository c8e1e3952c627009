// The expressions of all rules in a form that has an answer while all is well, to ask them of a Prometheus that scrapes the mesh.
import { groupFiles, readAlertData } from '../src/files.ts';

/** Alerts whose expression has nothing to look at in the mesh of the tests, each with the reason. */
export const RULES_MAY_BE_EMPTY: Readonly<Record<string, string>> = {
  IssuerAway: 'only an authority whose issuer is Vault knows one that can be away',
  VaultAway: 'no agent of secrets runs',
  SecretExpires: 'nothing is leased from a Vault',
};

export async function expressionsOfRules(): Promise<{ name: string; expr: string }[]> {
  const groups = [...groupFiles(await readAlertData()).values()].flat();
  return groups.flatMap(({ recordings, alerts }) => [
    ...recordings.map(({ metric, expression, labels }) => ({
      name: [metric.name, labels.slo, labels.window].filter((part) => part !== undefined).join(' '),
      expr: expression.text,
    })),
    ...alerts.map(({ name, labels, expression }) => ({
      name: labels?.slo === undefined ? name : `${name} ${labels.slo}`,
      expr: withAnswer(expression.text),
    })),
  ]);
}

/** Whether it holds is told as 1 or 0 instead of by there being series or none. */
export function withAnswer(expr: string): string {
  return expr.replaceAll(/ (>=|<=|==|!=|>|<) /g, ' $1 bool ');
}
