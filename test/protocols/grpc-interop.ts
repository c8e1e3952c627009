// gRPC's interop suite: grpc-go's client and server, each case one run of the client.
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { findGoTool } from '../parts/go-tools.ts';
import { startOnFreePort, startPart } from '../parts/part.ts';
import type { Passage, Stand } from './stand.ts';

/** All cases that need no credentials, and no server of xDS. */
export const INTEROP_CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'orca_per_rpc',
  'orca_oob',
  'rpc_soak',
  'channel_soak',
] as const;

export type InteropCase = (typeof INTEROP_CASES)[number];

const CASE_TIMEOUT_MS = 20_000;
/** The soak cases are there for their many calls and channels, not for their time. */
const SOAK = ['-soak_iterations', '20', '-soak_overall_timeout_seconds', '15'];
/** Load reports are shown to a balancer, and one of the tool's own checks them. */
const ORCA_BALANCER = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';
const EXTRA_ARGS: Partial<Record<InteropCase, string[]>> = {
  rpc_soak: SOAK,
  channel_soak: SOAK,
  orca_per_rpc: ['-service_config_json', ORCA_BALANCER],
  orca_oob: ['-service_config_json', ORCA_BALANCER],
};

/** grpc-go's server. It has no option for its address: it takes the port on every interface. */
export async function startInteropServer(): Promise<Stand> {
  const command = await findGoTool('grpc-interop-server');
  return await startOnFreePort(async (port) => {
    const { stop } = await startPart({
      name: 'grpc-interop-server',
      command,
      args: ['-port', String(port)],
      isReady: () => accepts(port),
    });
    return { port, stop };
  });
}

/** Throws with what the client said when the case fails. */
export async function runInteropCase(testCase: InteropCase, port: number): Promise<void> {
  const command = await findGoTool('grpc-interop-client');
  const args = ['-server_host', '127.0.0.1', '-server_port', String(port), '-test_case', testCase];
  await promisify(execFile)(command, [...args, ...(EXTRA_ARGS[testCase] ?? [])], {
    timeout: CASE_TIMEOUT_MS,
  });
}

/** For comparison: no sidecar at all. */
export const directly: Passage = async (port) => ({ port, stop: async () => {} });

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
