// HAProxy, nginx, wrk and h2load: the benchmark's peers and load generators, from PATH or from Debian's packages.
import { findInDebian, type Program } from './install.ts';

export type DebianTool = 'haproxy' | 'nginx' | 'wrk' | 'h2load';

const PACKAGES: Record<DebianTool, string> = {
  haproxy: 'haproxy',
  nginx: 'nginx',
  wrk: 'wrk',
  h2load: 'nghttp2-client',
};

export function findDebianTool(tool: DebianTool): Promise<Program> {
  return findInDebian({ part: tool, package: PACKAGES[tool], program: tool });
}
