/** Whether this Node has what came with these releases, of which the last holds for all later majors: `isAtLeast([22, 12], [23, 2])`. */
export function isAtLeast(...releases: readonly (readonly [major: number, minor: number])[]): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [latest = 0] = releases.at(-1) ?? [];
  return major > latest || releases.some((release) => major === release[0] && minor >= release[1]);
}
