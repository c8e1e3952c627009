/**
 * Routes of the Gateway API as the rest of the sidecar reads them: what HTTPRoute and GRPCRoute have in common, normalised.
 */
import type { HeaderMatch } from './field-match.ts';
import type { QueryMatch } from './query-match.ts';
import type { ValueMatch } from './value-match.ts';

export type RouteKind = 'HTTPRoute' | 'GRPCRoute';

export type RouteConfig = {
  readonly kind: RouteKind;
  readonly name: string;
  readonly namespace: string;
  /** RFC 3339; empty when nobody says, which counts as youngest. */
  readonly createdAt: string;
  /** Services, in the namespace of the route, whose requests it routes. */
  readonly parents: readonly ParentConfig[];
  readonly rules: readonly RuleConfig[];
};

/** `port` is null for requests to any port. */
export type ParentConfig = { readonly name: string; readonly port: number | null };

export type RuleConfig = {
  /** The name that policies target; null without one. */
  readonly name: string | null;
  /** At least one: any of them is enough. */
  readonly matches: readonly RequestMatch[];
  readonly requestHeaders: HeaderChanges | null;
  readonly responseHeaders: HeaderChanges | null;
  readonly rewrite: RewriteConfig | null;
  readonly redirect: RedirectConfig | null;
  readonly mirrors: readonly MirrorConfig[];
  readonly backends: readonly BackendConfig[];
  /** Null where the rule says nothing, Infinity where it says that there is none. */
  readonly requestTimeoutMs: number | null;
  readonly attemptTimeoutMs: number | null;
};

export type RequestMatch = {
  readonly path: PathMatch;
  /** Null for any. */
  readonly method: string | null;
  readonly headers: readonly HeaderMatch[];
  readonly query: readonly QueryMatch[];
  /** Of two matches that apply, the one whose rank is greater in the first number that differs. */
  readonly rank: readonly number[];
};

/** A prefix ends where an element of the path ends, and is written without a slash at its end. */
export type PathMatch = ValueMatch | { readonly type: 'PathPrefix'; readonly value: string };

/** Names in lower case. */
export type HeaderChanges = {
  readonly set: readonly HeaderValue[];
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
};

export type HeaderValue = { readonly name: string; readonly value: string };

export type PathChange =
  | { readonly type: 'ReplaceFullPath'; readonly value: string }
  /** `prefix` is the one that was matched. */
  | { readonly type: 'ReplacePrefixMatch'; readonly value: string; readonly prefix: string };

export type RewriteConfig = { readonly hostname: string | null; readonly path: PathChange | null };

export type RedirectConfig = {
  readonly scheme: 'http' | 'https' | null;
  readonly hostname: string | null;
  readonly path: PathChange | null;
  readonly port: number | null;
  readonly statusCode: number;
};

/** `share` is from 0 to 1. */
export type MirrorConfig = { readonly backend: string; readonly share: number };

export type BackendConfig = {
  /** The name of a service in the namespace of the route. */
  readonly name: string;
  readonly weight: number;
  readonly requestHeaders: HeaderChanges | null;
  readonly responseHeaders: HeaderChanges | null;
};
