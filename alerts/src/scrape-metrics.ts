/** What Prometheus itself records of each scrape. */
import { gauge } from '../../sidecar/src/observe/metric.ts';

export const UP = gauge('up', 'Whether the last scrape succeeded: 1 or 0.');
