/**
 * The service's spans on their way to a collector, as they came.
 */
import { Client, credentials } from '@grpc/grpc-js';
import { OBSERVE_LIMITS } from '../limits.ts';
import type { Shipment } from '../span-export.ts';
import type { AppSpans } from './app-spans.ts';
import { EXPORT } from './intake.ts';
import { writeExportRequest } from './otlp-message.ts';

export class ForwardedSpans implements Shipment {
  private readonly spans: AppSpans;
  private readonly client: Client;

  /** `endpoint` is an http or https URL. */
  constructor(spans: AppSpans, endpoint: string) {
    const { protocol, host } = new URL(endpoint);
    this.spans = spans;
    this.client = new Client(
      host,
      protocol === 'https:' ? credentials.createSsl() : credentials.createInsecure(),
    );
  }

  ship(limit: number): { count: number; sent: Promise<string> } {
    const spans = this.spans.take(limit);
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
