// Everything that is fuzzed.
import type { FuzzTarget } from '../target.ts';
import { targets as datastores } from './datastores.ts';

export const TARGETS: readonly FuzzTarget[] = [...datastores];
