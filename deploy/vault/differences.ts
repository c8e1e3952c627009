/**
 * What of a wanted thing is not as Vault shows it. Vault shows durations in seconds, lists in an order of its own, and nothing as null, '' or [].
 */
type Fields = Readonly<Record<string, unknown>>;

/** The keys, dotted where one is inside another. */
export function findDifferences(wanted: Fields, there: Fields): string[] {
  return Object.entries(wanted).flatMap(([key, value]) => {
    if (isFields(value)) {
      const inside = isFields(there[key]) ? there[key] : {};
      return findDifferences(value, inside).map((inner) => `${key}.${inner}`);
    }
    return isSame(value, there[key]) ? [] : [key];
  });
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSame(wanted: unknown, there: unknown): boolean {
  if (Array.isArray(wanted) && Array.isArray(there))
    return wanted.length === there.length && wanted.every((item) => there.includes(item));
  if (typeof wanted === 'string' && typeof there === 'number') return secondsOf(wanted) === there;
  if (typeof wanted === 'string' && Array.isArray(there)) return isSame(wanted.split(','), there);
  return isEmpty(wanted) ? isEmpty(there) : wanted === there;
}

function isEmpty(value: unknown): boolean {
  return (
    value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

function secondsOf(duration: string): number | null {
  const parts = /^(\d+)([smh])$/.exec(duration);
  return parts === null ? null : Number(parts[1]) * (SECONDS[parts[2] as string] as number);
}
