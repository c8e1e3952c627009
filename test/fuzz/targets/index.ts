// Everything that is fuzzed.
import type { FuzzTarget } from '../target.ts';
import { targets as datastores } from './datastores.ts';
import { targets as hpack } from './hpack.ts';
import { targets as http2 } from './http2.ts';
import { targets as waf } from './waf.ts';

export const TARGETS: readonly FuzzTarget[] = [...datastores, ...hpack, ...http2, ...waf];
