/**
 * Durations in log-linear cells: microseconds to two significant decimal digits, so that an edge such as 2.5 ms or 0.25 s, which
 * people write into dashboards and alerts, is an edge of a cell and cumulative counts are exact.
 *
 * Invariants
 * - Cell `i` counts durations in (upperEdge(i - 1), upperEdge(i)]; `le` of Prometheus is inclusive.
 * - A cell is 1 us wide below 100 us, and at most a tenth of its lower edge from there to 100 s; so a quantile read from the edges
 *   is at most 10 % too high.
 * - Memory for the cells is taken with the first observation.
 */
import type { Exchange } from '../core/exchange.ts';
import { Exemplars } from './exemplars.ts';

const LINEAR_CELLS = 100;
const CELLS_PER_DECADE = 90;
/** 100 us to 100 s. */
const DECADES = 6;
/** Of everything longer. */
export const LAST_CELL = LINEAR_CELLS + DECADES * CELLS_PER_DECADE;
export const CELLS = LAST_CELL + 1;
const LONGEST_US = 1e8;

export class Histogram {
  sumMs = 0;
  /** Null while there are none. */
  exemplars: Exemplars | null = null;
  /** Only read by others. */
  cells: Float64Array | null = null;

  observe(durationMs: number): void {
    this.cells ??= new Float64Array(CELLS);
    const cell = cellOf(durationMs);
    this.cells[cell] = (this.cells[cell] as number) + 1;
    this.sumMs += durationMs;
  }

  /** For exchanges that were observed and whose trace is exported: few. */
  addExemplar(durationMs: number, exchange: Exchange): void {
    this.exemplars ??= new Exemplars();
    this.exemplars.add(durationMs, exchange);
  }

  get count(): number {
    return this.cells === null ? 0 : this.cells.reduce((sum, count) => sum + count, 0);
  }

  /** How many durations were at most `cellEnds[i]`'s upper edge, for ascending cell numbers. */
  cumulate(cellEnds: readonly number[]): number[] {
    const { cells } = this;
    if (cells === null) return cellEnds.map(() => 0);
    let sum = 0;
    let cell = 0;
    return cellEnds.map((end) => {
      while (cell <= end) sum += cells[cell++] as number;
      return sum;
    });
  }
}

/** The cell of a duration. */
export function cellOf(durationMs: number): number {
  // The upper edge belongs to the cell, so the last whole microsecond below the duration tells which it is.
  const us = Math.ceil(durationMs * 1_000) - 1;
  if (us < 100) return Math.max(us, 0);
  if (us >= LONGEST_US) return LAST_CELL;
  let scale = 10;
  let base = LINEAR_CELLS - 10;
  while (us >= scale * 100) {
    scale *= 10;
    base += CELLS_PER_DECADE;
  }
  return base + ((us / scale) | 0);
}

/** Upper edge of a cell in microseconds; Infinity for the last. */
export function upperEdgeUs(cell: number): number {
  if (cell < LINEAR_CELLS) return cell + 1;
  if (cell === LAST_CELL) return Number.POSITIVE_INFINITY;
  const offset = cell - LINEAR_CELLS;
  const decade = Math.floor(offset / CELLS_PER_DECADE);
  return ((offset % CELLS_PER_DECADE) + 11) * 10 ** (decade + 1);
}
