/**
 * The decision as Redis makes it: one script call for all windows of a key, in the time of the server.
 *
 * Invariants: the arithmetic is that of gcra.ts. Either every window is charged or none. A key expires when it is as good as none, so the keys
 * of idle callers go away by themselves.
 *
 * KEYS: one a window. ARGV: cost, then interval and tolerance of each window in microseconds.
 * Answer: microseconds until the cost would be admitted (0: it was), then the debt of each window as it is now.
 */
import { createHash } from 'node:crypto';

export const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local tats = redis.call('MGET', unpack(KEYS))
local answer = {0}
for i = 1, #KEYS do
  local interval, tolerance = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local debt = math.min(math.max(tonumber(tats[i] or 0) - now, 0), tolerance)
  answer[1] = math.max(answer[1], debt + cost * interval - tolerance)
  answer[i + 1] = debt
end
if answer[1] == 0 then
  for i = 1, #KEYS do
    local debt = answer[i + 1] + cost * tonumber(ARGV[2 * i])
    redis.call('SET', KEYS[i], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000) + 1)
    answer[i + 1] = debt
  end
end
return answer
`.trim();

export const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');

/** Where the state of a key is kept: one Redis key a window, all in the slot of the same hash tag. */
export function storeKeys(
  prefix: string,
  id: string,
  key: string,
  windows: readonly { windowSeconds: number }[],
): string[] {
  const tag = `${prefix}{${id}|${key}}`;
  return windows.map(({ windowSeconds }) => tag + windowSeconds);
}
