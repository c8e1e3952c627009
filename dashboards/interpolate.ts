/**
 * What Grafana does to a query before it asks: the variables become their values.
 */

/** By name. */
export type Values = Readonly<Record<string, string>>;

const VARIABLE = /\$(?:\{([a-z_]\w*)(?::\w+)?\}|([a-z_]\w*))/gi;

/** The names of all that stand in it. */
export function variablesIn(text: string): string[] {
  return Array.from(text.matchAll(VARIABLE), ([, braced, bare]) => braced ?? bare ?? '');
}

/** @throws Error for a variable without a value. */
export function interpolate(text: string, values: Values): string {
  return text.replace(VARIABLE, (whole, braced?: string, bare?: string) => {
    const value = values[braced ?? bare ?? ''];
    if (value === undefined) throw new Error(`${whole} has no value in ${text}`);
    return value;
  });
}
