/**
 * The service's spans on their way to a collector, as they came.
 */
import { Client, credentials } from '@grpc/grpc-js';
import { OBSERVE_LIMITS } from '../limits.ts';
import type { Shipment } from '../span-export.ts';
import type { AppSpans } from './app-spans.ts';
import { EXPORT } from './intake.ts';
import { type RawSpan, writeExportRequest } from './otlp-message.ts';

type ForwardedSpan = Omit<RawSpan, 'traceId'>;

export class ForwardedSpans implements Shipment {
  private readonly spans: AppSpans;
  private readonly client: Client;
  private readonly onShip: (span: ForwardedSpan) => void;

  /** `endpoint` is an http or https URL; `onShip` gets each span that leaves. */
  constructor(spans: AppSpans, endpoint: string, onShip: (span: ForwardedSpan) => void) {
    const { protocol, host } = new URL(endpoint);
    this.spans = spans;
    this.onShip = onShip;
    this.client = new Client(
      host,
      protocol === 'https:' ? credentials.createSsl() : credentials.createInsecure(),
    );
  }

  ship(limit: number): { count: number; sent: Promise<string> } {
    const spans = this.spans.take(limit);
    for (const span of spans) this.onShip(span);
    const deadline = Date.now() + OBSERVE_LIMITS.spanExportTimeoutMs;
    const sent = new Promise<string>((resolve) => {
      this.client.makeUnaryRequest(
        EXPORT.path,
        EXPORT.requestSerialize,
        EXPORT.responseDeserialize,
        writeExportRequest(spans),
        { deadline },
        (error) => resolve(error === null ? '' : error.message),
      );
    });
    return { count: spans.length, sent };
  }

  close(): void {
    this.client.close();
  }
}
