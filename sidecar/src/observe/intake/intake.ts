/**
 * The OTLP receiver for the service's own spans: they wait here, as the sidecar's do, until it is known whether their trace is worth exporting.
 *
 * Invariants: loopback only. What can't be kept is counted and never refused, since an exporter would send the whole batch again; what is no
 * message at all is refused for good.
 */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../config/address.ts';
import { OBSERVE_LIMITS } from '../limits.ts';
import type { Retention } from '../retention/retention.ts';
import type { AppSpans } from './app-spans.ts';
import { readExportRequest } from './otlp-message.ts';

export interface Intake {
  readonly port: number;
  close(): void;
}

const EXPORT_PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const EMPTY = Buffer.alloc(0);

/** Export of OTLP as bytes, for both sides. */
export const EXPORT = {
  path: EXPORT_PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const;

export async function startIntake(listen: Address, spans: AppSpans, retention: Retention): Promise<Intake> {
  const server = new Server({ 'grpc.max_receive_message_length': OBSERVE_LIMITS.intakeMessageBytes });
  server.addService(
    { Export: EXPORT },
    {
      Export({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
        try {
          spans.lost.invalid += readExportRequest(request, (raw) => {
            spans.add(raw, retention.isWanted(raw.traceId));
          });
          answer(null, EMPTY);
        } catch (error) {
          answer({ code: status.INVALID_ARGUMENT, details: `no export request of OTLP: ${error}` });
        }
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatAddress(listen), ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, close: () => server.forceShutdown() };
}
