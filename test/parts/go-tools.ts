// Tools written in Go, built from pinned modules: h2spec, gRPC's interop client and server (grpc-go), Sloth and Alertmanager.
import { findInGo, type GoSource } from './install.ts';

export type GoTool = 'h2spec' | 'grpc-interop-client' | 'grpc-interop-server' | 'sloth' | 'alertmanager';

const GRPC = 'google.golang.org/grpc@v1.85.0';
const TOOLS: Record<GoTool, Omit<GoSource, 'part' | 'program'>> = {
  // The last version that the module proxy serves. Its module names no versions of what it needs.
  h2spec: {
    package: 'github.com/summerwind/h2spec/cmd/h2spec',
    modules: [
      'github.com/summerwind/h2spec@v2.2.1+incompatible',
      'github.com/fatih/color@v1.19.0',
      'github.com/spf13/cobra@v1.10.2',
      'golang.org/x/net@v0.62.0',
    ],
  },
  'grpc-interop-client': { package: 'google.golang.org/grpc/interop/client', modules: [GRPC] },
  'grpc-interop-server': { package: 'google.golang.org/grpc/interop/server', modules: [GRPC] },
  alertmanager: {
    package: 'github.com/prometheus/alertmanager/cmd/alertmanager',
    modules: ['github.com/prometheus/alertmanager@v0.28.1'],
  },
  // Makes Prometheus rules of service levels: what ours are compared with.
  sloth: { package: 'github.com/slok/sloth/cmd/sloth', modules: ['github.com/slok/sloth@v0.16.0'] },
};

export function findGoTool(tool: GoTool): Promise<string> {
  return findInGo({ part: tool, program: tool, ...TOOLS[tool] });
}
