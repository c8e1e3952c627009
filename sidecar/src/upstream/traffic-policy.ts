/**
 * What a TrafficPolicy may say of the endpoints of a service (`spec`, strict: an unknown key is an error), and what holds without one.
 */
import { z } from 'zod';
import { loadBalancer } from './balancing/config.ts';

export const spec = z.strictObject({ loadBalancer: loadBalancer.prefault({}) });

export type TrafficSpec = z.output<typeof spec>;

export const DEFAULT_TRAFFIC: TrafficSpec = Object.freeze(spec.parse({}));
