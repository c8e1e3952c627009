// HAProxy, nginx, curl, nghttp, iptables and the load generators wrk and h2load, from PATH or from Debian's packages.
import { findFileOfDebian, findInDebian, type Program } from './install.ts';

export type DebianTool =
  | 'haproxy'
  | 'nginx'
  | 'wrk'
  | 'h2load'
  | 'nghttp'
  | 'curl'
  | 'iptables-nft'
  | 'ip6tables-nft';

const PACKAGES: Record<DebianTool, string> = {
  haproxy: 'haproxy',
  nginx: 'nginx',
  wrk: 'wrk',
  h2load: 'nghttp2-client',
  nghttp: 'nghttp2-client',
  curl: 'curl',
  'iptables-nft': 'iptables',
  'ip6tables-nft': 'iptables',
};

export function findDebianTool(tool: DebianTool): Promise<Program> {
  return findInDebian({ part: tool, package: PACKAGES[tool], program: tool });
}

/** What nginx relays TCP with: on Debian a module that is loaded, in a package of its own. */
export function findNginxStreamModule(): Promise<string> {
  return findFileOfDebian({
    part: "nginx's stream module",
    package: 'libnginx-mod-stream',
    path: '/usr/lib/nginx/modules/ngx_stream_module.so',
  });
}
