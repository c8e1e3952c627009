/**
 * What a service counts, and the port on which a Prometheus scrapes it: a port of its own, to which no sidecar's inbound listener leads.
 *
 * Invariants: a scrape never fails, and is bounded in time, whatever is away; metrics are declared as the mesh declares its own.
 */
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { Counter, Histogram, type Metric, Registry } from 'prom-client';
import { type Reading, register } from '../../sidecar/src/observe/family.ts';
import type { HistogramDeclaration, MetricDeclaration } from '../../sidecar/src/observe/metric.ts';
import { processMetrics } from '../../sidecar/src/observe/process-exposition.ts';
import { LIMITS } from './limits.ts';

export class ServiceMetrics {
  private readonly registry = new Registry();
  private readonly gauges = new Map<MetricDeclaration, (() => Iterable<Reading<number>>)[]>();
  private readonly refreshes: (() => Promise<void>)[] = [];

  constructor(service: string) {
    this.registry.setDefaultLabels({ service_name: service });
  }

  /** Of what is asked for again, there is one. */
  counter<Label extends string>(declaration: MetricDeclaration<'counter', string, Label>): Counter<Label> {
    const { name, help, labels } = declaration;
    const known = this.registry.getSingleMetric(name) as Counter<Label> | undefined;
    return known ?? new Counter({ name, help, labelNames: labels, registers: [this.registry] });
  }

  /** In seconds. */
  histogram<Label extends string>(declaration: HistogramDeclaration<string, Label>): Histogram<Label> {
    const { name, help, labels, bounds } = declaration;
    const known = this.registry.getSingleMetric(name) as Histogram<Label> | undefined;
    const buckets = [...bounds];
    return known ?? new Histogram({ name, help, labelNames: labels, buckets, registers: [this.registry] });
  }

  /** What several read of one metric is shown together. */
  gauge(declaration: MetricDeclaration<'gauge'>, read: () => Iterable<Reading<number>>): void {
    const known = this.gauges.get(declaration);
    if (known !== undefined) {
      known.push(read);
      return;
    }
    const reads = [read];
    this.gauges.set(declaration, reads);
    register(this.registry, declaration, function* () {
      for (const each of reads) yield* each();
    });
  }

  /** Called before each scrape, which waits for it, but not for long. */
  beforeScrape(refresh: () => Promise<void>): void {
    this.refreshes.push(refresh);
  }

  async text(): Promise<string> {
    await Promise.allSettled(this.refreshes.map((refresh) => refresh()));
    return this.registry.metrics();
  }

  /** Settles with the port. */
  async listen(address: { host: string; port: number }): Promise<number> {
    for (const metric of processMetrics()) this.registry.registerMetric(metric as unknown as Metric);
    const app = fastify({ logger: false, requestTimeout: LIMITS.requestReceiveMs });
    app.get('/metrics', async (_request, reply) => {
      reply.type(this.registry.contentType);
      return this.text();
    });
    await app.listen(address);
    return (app.addresses()[0] as AddressInfo).port;
  }
}
