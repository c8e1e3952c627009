/**
 * One query of a panel, and how its series are called.
 */
import type { Query } from '../../alerts/src/promql.ts';

export interface Line {
  readonly expression: string;
  readonly legend: string;
}

type Labels<Label extends string> = { readonly [L in Label]: string };

/** A legend names only labels that the query has. */
export function line<Label extends string>(
  query: Query<Label>,
  legend: string | ((labels: Labels<Label>) => string),
): Line {
  const text = typeof legend === 'string' ? legend : legend(templateOfLabels as Labels<Label>);
  return { expression: query.text, legend: text };
}

/** What Grafana fills in. */
const templateOfLabels = new Proxy({}, { get: (_, label) => `{{${String(label)}}}` });
