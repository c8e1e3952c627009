/**
 * The filters of rules and of their backends: what config may say, and what is made of it.
 */
import { z } from 'zod';
import { serviceHost, text, unsupported } from '../config/values.ts';
import { fieldName, refuseRepeated } from './names.ts';
import type { HeaderChanges, MirrorConfig, PathChange, RuleConfig } from './route-config.ts';
import { serviceRef } from './service-ref.ts';

const MAX_FILTERS = 16;
const MAX_CHANGES = 16;
const MAX_VALUE_CHARS = 4_096;
/** All that one filter may add to a head: a rule and its backend have one each, and share LIMITS.insertionBytes. */
const MAX_ADDED_BYTES = 4_096;
const MAX_PATH_CHARS = 1_024;
const REDIRECT_STATUSES = [301, 302, 303, 307, 308] as const;

/** How a message is framed and who sent it is not for a rule to say. */
const RESERVED = new Set([
  ...[
    'host',
    'content-length',
    'transfer-encoding',
    'connection',
    'keep-alive',
    'proxy-connection',
    'upgrade',
  ],
  ...['te', 'trailer', 'expect', 'http2-settings', 'grpc-status', 'x-forwarded-client-cert'],
]);

const changeableName = fieldName.superRefine((name, context) => {
  if (!RESERVED.has(name)) return;
  const message = `must not be "${name}": how a message is framed and who sent it is not for a rule to say`;
  const suggestion = name === 'host' ? 'use a URLRewrite filter with a hostname' : null;
  context.addIssue({ code: 'custom', message, params: { suggestion } });
});
const fieldValue = text((value) =>
  /^[\t\x20-\x7e\x80-\xff]*$/.test(value) && value.length <= MAX_VALUE_CHARS
    ? null
    : `must be at most ${MAX_VALUE_CHARS} characters of Latin-1 without control characters`,
);
const headerValues = z
  .array(z.strictObject({ name: changeableName, value: fieldValue }))
  .max(MAX_CHANGES)
  .default([])
  .superRefine(refuseRepeated);

const headerModifier = z
  .strictObject({
    set: headerValues,
    add: headerValues,
    remove: z.array(changeableName).max(MAX_CHANGES).default([]),
  })
  .superRefine(({ set, add }, context) => {
    const bytes = [...set, ...add].reduce((sum, { name, value }) => sum + name.length + value.length + 4, 0);
    if (bytes <= MAX_ADDED_BYTES) return;
    const message = `adds ${bytes} bytes, and ${MAX_ADDED_BYTES} is the most`;
    context.addIssue({ code: 'custom', message, params: { suggestion: null } });
  });

const newPath = text((value) =>
  /^[!-~]*$/.test(value) && !/[#?]/.test(value) && value.length <= MAX_PATH_CHARS
    ? null
    : `must be at most ${MAX_PATH_CHARS} visible ASCII characters without "?" and "#"`,
);
const pathChange = z
  .strictObject({
    type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
    replaceFullPath: newPath.optional(),
    replacePrefixMatch: newPath.optional(),
  })
  .superRefine(({ type, replaceFullPath, replacePrefixMatch }, context) => {
    const [wanted, other] =
      type === 'ReplaceFullPath'
        ? (['replaceFullPath', replacePrefixMatch] as const)
        : (['replacePrefixMatch', replaceFullPath] as const);
    const given = wanted === 'replaceFullPath' ? replaceFullPath : replacePrefixMatch;
    if (given !== undefined && other === undefined) return;
    const message = `must have ${wanted}, and nothing else, with type ${type}`;
    context.addIssue({ code: 'custom', message, params: { suggestion: null } });
  });

const mirror = z
  .strictObject({
    backendRef: serviceRef,
    percent: z.int().min(0).max(100).optional(),
    fraction: z
      .strictObject({ numerator: z.int().min(0), denominator: z.int().min(1).default(100) })
      .optional(),
  })
  .superRefine(({ percent, fraction }, context) => {
    const message =
      percent !== undefined && fraction !== undefined
        ? 'must have at most one of percent and fraction'
        : fraction !== undefined && fraction.numerator > fraction.denominator
          ? 'has a fraction above one'
          : null;
    if (message !== null) context.addIssue({ code: 'custom', message, params: { suggestion: null } });
  });

const redirect = z.strictObject({
  scheme: z.enum(['http', 'https']).optional(),
  hostname: serviceHost().optional(),
  path: pathChange.optional(),
  port: z.int().min(1).max(65_535).optional(),
  statusCode: z.union(REDIRECT_STATUSES.map((status) => z.literal(status))).default(302),
});

const rewrite = z.strictObject({ hostname: serviceHost().optional(), path: pathChange.optional() });

/** The section of a filter that goes with its type. */
const SECTIONS: Record<string, string> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
};

const modifiers = {
  requestHeaderModifier: headerModifier.optional(),
  responseHeaderModifier: headerModifier.optional(),
  extensionRef: unsupported('policies take the place of extensions'),
};

export const backendFilters = z
  .array(z.strictObject({ type: z.enum(['RequestHeaderModifier', 'ResponseHeaderModifier']), ...modifiers }))
  .max(MAX_FILTERS)
  .default([])
  .superRefine(checkSections);

export const grpcFilters = z
  .array(
    z.strictObject({
      type: z.enum(['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror']),
      ...modifiers,
      requestMirror: mirror.optional(),
    }),
  )
  .max(MAX_FILTERS)
  .default([])
  .superRefine(checkSections);

export const httpFilters = z
  .array(
    z.strictObject({
      type: z.enum([
        'RequestHeaderModifier',
        'ResponseHeaderModifier',
        'RequestMirror',
        'RequestRedirect',
        'URLRewrite',
      ]),
      ...modifiers,
      requestMirror: mirror.optional(),
      requestRedirect: redirect.optional(),
      urlRewrite: rewrite.optional(),
      cors: unsupported('answer preflight requests in the service'),
      externalAuth: unsupported('an AccessPolicy says who may do what'),
    }),
  )
  .max(MAX_FILTERS)
  .default([])
  .superRefine(checkSections);

/** A filter has the section of its type and no other, and every type but the mirror stands once. */
function checkSections(filters: readonly { type: string }[], context: z.core.$RefinementCtx): void {
  filters.forEach((filter, index) => {
    const wanted = SECTIONS[filter.type] ?? '';
    const issue = (path: (string | number)[], message: string, suggestion: string) =>
      context.addIssue({ code: 'custom', path: [index, ...path], message, params: { suggestion } });
    const given = Object.entries(filter).filter(([key, value]) => key !== 'type' && value !== undefined);
    if (!given.some(([key]) => key === wanted)) {
      issue([], `has no ${wanted}, which type ${filter.type} needs`, `add \`${wanted}: {…}\``);
    }
    for (const [key] of given) {
      if (key !== wanted) issue([key], `does not go with type ${filter.type}`, 'make it a filter of its own');
    }
    const first = filters.findIndex(({ type }) => type === filter.type);
    if (first !== index && filter.type !== 'RequestMirror') {
      issue(['type'], `repeats ${filter.type}`, 'put all of it into one filter');
    }
  });
}

type HttpFilter = z.output<typeof httpFilters>[number];
/** Of any list of filters: sections that a list does not know are absent in it. */
type AnyFilter = Pick<HttpFilter, 'type'> & { readonly [K in keyof HttpFilter]?: HttpFilter[K] };

type RuleFilters = Pick<
  RuleConfig,
  'requestHeaders' | 'responseHeaders' | 'mirrors' | 'redirect' | 'rewrite'
>;

/** `prefix` is what `ReplacePrefixMatch` replaces. */
export function toRuleFilters(filters: readonly AnyFilter[], prefix: string): RuleFilters {
  const redirect = filters.find(({ requestRedirect }) => requestRedirect !== undefined)?.requestRedirect;
  const rewrite = filters.find(({ urlRewrite }) => urlRewrite !== undefined)?.urlRewrite;
  return {
    ...toHeaderFilters(filters),
    mirrors: filters.flatMap(({ requestMirror }) =>
      requestMirror === undefined ? [] : [toMirror(requestMirror)],
    ),
    redirect:
      redirect === undefined
        ? null
        : {
            scheme: redirect.scheme ?? null,
            hostname: redirect.hostname ?? null,
            path: toPathChange(redirect.path, prefix),
            port: redirect.port ?? null,
            statusCode: redirect.statusCode,
          },
    rewrite:
      rewrite === undefined
        ? null
        : { hostname: rewrite.hostname ?? null, path: toPathChange(rewrite.path, prefix) },
  };
}

export function toHeaderFilters(
  filters: readonly AnyFilter[],
): Pick<RuleConfig, 'requestHeaders' | 'responseHeaders'> {
  const find = (key: 'requestHeaderModifier' | 'responseHeaderModifier'): HeaderChanges | null =>
    filters.find((filter) => filter[key] !== undefined)?.[key] ?? null;
  return { requestHeaders: find('requestHeaderModifier'), responseHeaders: find('responseHeaderModifier') };
}

function toMirror({ backendRef, percent, fraction }: z.output<typeof mirror>): MirrorConfig {
  const share = fraction === undefined ? (percent ?? 100) / 100 : fraction.numerator / fraction.denominator;
  return { backend: backendRef.name, share };
}

function toPathChange(change: z.output<typeof pathChange> | undefined, prefix: string): PathChange | null {
  if (change === undefined) return null;
  return change.type === 'ReplaceFullPath'
    ? { type: change.type, value: change.replaceFullPath ?? '' }
    : { type: change.type, value: change.replacePrefixMatch ?? '', prefix };
}
