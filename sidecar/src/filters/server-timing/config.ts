/**
 * `spec.telemetry.serverTiming`.
 */
import { z } from 'zod';

/** Who is told: nobody, those who proved an identity and the service itself, or whoever asks. */
export const serverTimingAudience = z.enum(['off', 'mesh', 'everyone']).default('off');

export type ServerTimingAudience = z.output<typeof serverTimingAudience>;
