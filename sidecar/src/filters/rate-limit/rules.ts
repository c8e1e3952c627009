/**
 * Which windows hold for a key: those of the limit, those of an override, or none.
 *
 * Invariants: an exemption wins over every override, an override that names more parts of the key over one that names fewer; a lookup costs one
 * map access for each combination of parts that any rule names, however many rules there are.
 */
import type { LimitSpec } from './config.ts';

/** The limit does not hold for the key. */
export const EXEMPT = -1;
/** The windows of the limit itself; the others are those of its overrides, in order. */
const OWN_PLAN = 0;

interface RuleGroup {
  /** Positions in the key. */
  readonly parts: readonly number[];
  readonly plans: Map<string, number>;
}

export class Rules {
  private readonly groups: readonly RuleGroup[];

  constructor({ overrides, exempt }: Pick<LimitSpec, 'overrides' | 'exempt'>, names: readonly string[]) {
    this.groups = [
      ...group(
        exempt.map((match) => ({ match, plan: EXEMPT })),
        names,
      ),
      ...group(
        overrides.map(({ match }, i) => ({ match, plan: OWN_PLAN + 1 + i })),
        names,
      ),
    ];
  }

  /** The plan for the values of a key, or EXEMPT. */
  planOf(values: readonly string[]): number {
    for (let i = 0; i < this.groups.length; i++) {
      const { parts, plans } = this.groups[i] as RuleGroup;
      const plan = plans.get(
        parts.length === 1 ? (values[parts[0] as number] as string) : join(parts, values),
      );
      if (plan !== undefined) return plan;
    }
    return OWN_PLAN;
  }
}

function group(
  rules: readonly { match: Record<string, string>; plan: number }[],
  names: readonly string[],
): RuleGroup[] {
  const groups = new Map<string, RuleGroup>();
  for (const { match, plan } of rules) {
    const parts = names.flatMap((name, i) => (Object.hasOwn(match, name) ? [i] : []));
    const values = names.map((name) => match[name] ?? '');
    const id = parts.join();
    const known = groups.get(id) ?? { parts, plans: new Map<string, number>() };
    known.plans.set(join(parts, values), plan);
    groups.set(id, known);
  }
  return [...groups.values()].sort((a, b) => b.parts.length - a.parts.length);
}

/** Without a mark between them two lists of values could read the same. */
function join(parts: readonly number[], values: readonly string[]): string {
  if (parts.length === 1) return values[parts[0] as number] as string;
  return JSON.stringify(parts.map((part) => values[part]));
}
