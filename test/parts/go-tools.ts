// Tools written in Go, built from pinned modules: h2spec, and gRPC's interop client and server (grpc-go).
import { findInGo, type GoSource } from './install.ts';

export type GoTool = 'h2spec' | 'grpc-interop-client' | 'grpc-interop-server';

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
};

export function findGoTool(tool: GoTool): Promise<string> {
  return findInGo({ part: tool, program: tool, ...TOOLS[tool] });
}
