/**
 * One collection of points, a LanceDB table on disk.
 *
 * Invariants: a write is done when its promise resolves, and a table is never seen half written, whenever the process dies; writes to a
 * collection happen one after the other, reads beside them; a filter is applied before the search, so that `limit` counts what passes it.
 */
import { type Connection, makeArrowTable, type Table } from '@lancedb/lancedb';
import { Field, FixedSizeList, Float32, List, Schema, Utf8 } from 'apache-arrow';
import { LIMITS } from '../lib/limits.ts';
import type { Deletion, Point, PointFilter, Query, Scroll } from './requests.ts';

export interface FoundPoint {
  id: string;
  score: number;
  payload?: unknown;
}

interface Row {
  id: string;
  payload: string;
  _distance: number;
}

export class TooManyWrites extends Error {}

/** Each write leaves a version and a fragment behind; so many may pile up before they are folded. */
const WRITES_BETWEEN_FOLDS = 100;
const LONGEST_READ_MS = 60_000;

export class Collection {
  readonly size: number;
  readonly #table: Table;
  readonly #schema: Schema;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #unfolded = 0;

  private constructor(table: Table, size: number) {
    this.#table = table;
    this.#schema = schemaOf(size);
    this.size = size;
  }

  static async create(database: Connection, name: string, size: number): Promise<Collection> {
    const table = await database.createEmptyTable(name, schemaOf(size));
    return new Collection(table, size);
  }

  static async open(database: Connection, name: string): Promise<Collection> {
    const table = await database.openTable(name);
    const { fields } = await table.schema();
    const vector = fields.find((field) => field.name === 'vector')?.type as FixedSizeList;
    return new Collection(table, vector.listSize);
  }

  count(): Promise<number> {
    return this.#table.countRows();
  }

  upsert(points: readonly Point[]): Promise<unknown> {
    // Of two points with one id in one request the last one counts, as if they had been sent one after the other.
    const rows = [...new Map(points.map((point) => [point.id, toRow(point)])).values()];
    return this.#write(() =>
      this.#table
        .mergeInsert('id')
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll()
        .execute(makeArrowTable(rows, { schema: this.#schema })),
    );
  }

  delete(deletion: Deletion): Promise<unknown> {
    const predicate = 'points' in deletion ? idIn(deletion.points) : toPredicate(deletion.filter);
    return this.#write(() => this.#table.delete(predicate));
  }

  async query({ query, filter, limit, score_threshold, with_payload }: Query): Promise<FoundPoint[]> {
    const search = this.#table
      .query()
      .nearestTo(query)
      .distanceType('cosine')
      .where(toPredicate(filter))
      .select(['id', 'payload', '_distance'])
      .limit(limit);
    const rows = (await search.toArray()) as Row[];
    const found = rows.map(({ id, payload, _distance }) => ({
      id,
      score: 1 - _distance,
      ...(with_payload ? { payload: JSON.parse(payload) } : {}),
    }));
    return score_threshold === undefined ? found : found.filter(({ score }) => score >= score_threshold);
  }

  /** Points in the order of their ids, and the id with which the next page begins. */
  async scroll({ filter, limit, offset, with_payload }: Scroll) {
    const from = offset ? ` AND id >= ${quote(offset)}` : '';
    const page = this.#table
      .query()
      .where(toPredicate(filter) + from)
      .orderBy({ columnName: 'id' })
      .select(['id', 'payload'])
      .limit(limit + 1);
    const rows = (await page.toArray()) as Row[];
    const points = rows.slice(0, limit).map(({ id, payload }) => ({
      id,
      ...(with_payload ? { payload: JSON.parse(payload) } : {}),
    }));
    return { points, next_page_offset: rows[limit]?.id ?? null };
  }

  /** Resolves when no write is under way. */
  async settle(): Promise<void> {
    await this.#lastWrite;
    this.#table.close();
  }

  #write<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#waiting >= LIMITS.vectorStoreWrites) throw new TooManyWrites();
    this.#waiting++;
    const done = this.#lastWrite.then(perform).finally(() => {
      this.#waiting--;
    });
    this.#lastWrite = done.then(
      () => this.#foldNowAndThen(),
      () => {},
    );
    return done;
  }

  async #foldNowAndThen(): Promise<void> {
    if (++this.#unfolded < WRITES_BETWEEN_FOLDS) return;
    this.#unfolded = 0;
    // A read that is under way may still need the files of its version. What failed is done with the next round.
    const cleanupOlderThan = new Date(Date.now() - LONGEST_READ_MS);
    await this.#table.optimize({ cleanupOlderThan }).catch(() => {});
  }
}

function schemaOf(size: number): Schema {
  return new Schema([
    new Field('id', new Utf8(), false),
    new Field('vector', new FixedSizeList(size, new Field('item', new Float32(), true)), false),
    new Field('payload', new Utf8(), false),
    // What filters match: each field of the payload with its value, or with each of a list.
    new Field('terms', new List(new Field('item', new Utf8(), true)), false),
  ]);
}

function toRow({ id, vector, payload }: Point) {
  const terms = Object.entries(payload).flatMap(([key, value]) =>
    [value]
      .flat()
      .filter(isScalar)
      .map((each) => toTerm(key, each)),
  );
  return { id, vector, payload: JSON.stringify(payload), terms };
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object';
}

function toPredicate(filter: PointFilter | undefined): string {
  const conditions = (filter?.must ?? []).map((condition) =>
    'key' in condition
      ? `array_has(terms, ${quote(toTerm(condition.key, condition.match.value))})`
      : idIn(condition.has_id),
  );
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

/** One text for a key and its value, which no other pair has. */
function toTerm(key: string, value: unknown): string {
  return JSON.stringify([key, value]);
}

function idIn(ids: readonly string[]): string {
  return ids.length === 0 ? 'false' : `id IN (${ids.map(quote).join(', ')})`;
}

/** A literal of SQL: what stands in it stays in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
