/**
 * `spec.telemetry.baggage`: the keys of baggage that may pass the border of the mesh.
 */
import { z } from 'zod';
import { CONFIG_LIMITS, text } from '../../config/values.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;

const key = text((value) =>
  TOKEN.test(value)
    ? null
    : 'must be a key of baggage: 1 to 128 letters, digits or marks like ".", "_" and "-"',
);
const keys = z.array(key).max(CONFIG_LIMITS.baggageKeys).default([]);

export const baggageSpec = z.strictObject({ fromStrangers: keys, toStrangers: keys }).prefault({});

export type BaggageConfig = {
  readonly fromStrangers: readonly string[];
  readonly toStrangers: readonly string[];
};
