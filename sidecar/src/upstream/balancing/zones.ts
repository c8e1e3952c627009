/**
 * Weights for a caller in a zone: its own zone first, the others as far as that is short of endpoints.
 *
 * Callers are taken to be spread evenly over the zones. So each zone's callers are entitled to an equal part of all the weight that can be
 * used now; what the own zone lacks to its part is taken from zones that have more than theirs, in proportion to what they have left.
 */
import type { Endpoint } from '../endpoint.ts';

/** `members` may be picked now; `all` are configured. Null when the zone makes no difference. */
export function zoneWeights(
  members: readonly Endpoint[],
  all: readonly Endpoint[],
  ownZone: string,
): Float64Array | null {
  const zones = new Set(all.map(({ zone }) => zone));
  if (ownZone === '' || zones.size < 2) return null;
  const weights = new Map<string, number>();
  let total = 0;
  for (const { zone, weight } of members) {
    weights.set(zone, (weights.get(zone) ?? 0) + weight);
    total += weight;
  }
  const own = weights.get(ownZone) ?? 0;
  if (own === 0) return null;
  const part = total / zones.size;
  const ownShare = Math.min(1, own / part);
  const spareOf = (zone: string): number => Math.max(0, (weights.get(zone) as number) - part);
  let spare = 0;
  for (const zone of weights.keys()) if (zone !== ownZone) spare += spareOf(zone);
  return Float64Array.from(members, ({ zone, weight }) => {
    const inZone = weight / (weights.get(zone) as number);
    if (zone === ownZone) return ownShare * inZone;
    return ownShare === 1 ? 0 : (1 - ownShare) * (spareOf(zone) / spare) * inZone;
  });
}
