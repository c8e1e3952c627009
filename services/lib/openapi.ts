/**
 * The OpenAPI 3.1 document of a service, made of the schemas by which it parses requests, so that the two cannot differ.
 */
import { z } from 'zod';

export interface Operation {
  method: 'get' | 'post' | 'put' | 'delete';
  /** With placeholders as `{id}`. */
  path: string;
  summary: string;
  /** Of header and path: name to schema. */
  headers?: Record<string, z.ZodType>;
  params?: Record<string, z.ZodType>;
  body?: z.ZodType;
  /** Of the one status that is a success; without a schema there is no body. */
  success: { status: number; schema?: z.ZodType };
  /** Statuses that are problem+json, and what they mean. */
  problems: Record<number, string>;
}

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  reason: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  requestId: z.string().optional(),
});

export function describeApi(title: string, description: string, operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    paths[operation.path] ??= {};
    (paths[operation.path] as Record<string, object>)[operation.method] = describeOperation(operation);
  }
  const components = { schemas: { Problem: toSchema(problem, 'output') } };
  return { openapi: '3.1.0', info: { title, version: '1', description }, paths, components };
}

function describeOperation(operation: Operation): object {
  const { summary, headers = {}, params = {}, body, success, problems } = operation;
  const parameters = [
    ...Object.entries(headers).map((entry) => describeParameter('header', entry)),
    ...Object.entries(params).map((entry) => describeParameter('path', entry)),
  ];
  const { status, schema } = success;
  const answer = schema === undefined ? {} : { content: asJson(toSchema(schema, 'output')) };
  return {
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: asJson(toSchema(body, 'input')) } }),
    responses: {
      [status]: { description: 'Success', ...answer },
      ...Object.fromEntries(Object.entries(problems).map(([code, why]) => [code, describeProblem(why)])),
    },
  };
}

function describeParameter(place: string, [name, schema]: [string, z.ZodType]): object {
  return { name, in: place, required: true, schema: toSchema(schema, 'input') };
}

function describeProblem(description: string): object {
  const schema = { $ref: '#/components/schemas/Problem' };
  return { description, content: { 'application/problem+json': { schema } } };
}

function asJson(schema: object): object {
  return { 'application/json': { schema } };
}

function toSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema, ...described } = z.toJSONSchema(schema, { io });
  return described;
}
