/**
 * JSON Schemas of the documents that a config may hold, made from the schemas that the sidecar itself reads by.
 *
 * They say which keys there are and which values they may have. What takes more than one key to judge, and the shape of some texts, is
 * known to the sidecar alone.
 */
import { z } from 'zod';
import { DOCUMENT_KINDS } from '../src/config/resources.ts';

export type JsonSchema = {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly not?: unknown;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxLength?: number;
};

/** By kind. */
export function buildJsonSchemas(): ReadonlyMap<string, JsonSchema> {
  return new Map(
    Array.from(DOCUMENT_KINDS, ([kind, schema]) => [
      kind,
      // What people write, not what becomes of it.
      { title: kind, ...z.toJSONSchema(schema, { io: 'input' }) } as JsonSchema,
    ]),
  );
}

/** For editors: any document of a config. */
export function combine(files: readonly string[]): unknown {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A document of a Tulle config',
    anyOf: files.map((file) => ({ $ref: file })),
  };
}
