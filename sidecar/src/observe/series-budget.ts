/**
 * What tables of series have in common that share a bound.
 */

/** Label value of whatever has no value of its own. */
export const OVERFLOW = '_OTHER';

/** How many there may still be: shared by all routes. */
export interface SeriesBudget {
  left: number;
}
