/** What Prometheus itself records of each scrape. */
import { gauge } from '../../sidecar/src/observe/metric.ts';

export const UP = gauge('up', 'Whether the last scrape succeeded: 1 or 0.');
export const SCRAPE_SAMPLES = gauge('scrape_samples_scraped', 'Samples of the last scrape.');
export const SCRAPE_DURATION = gauge('scrape_duration_seconds', 'How long the last scrape took.');
