/** What `--check` says about the series of a config. */
import type { SidecarConfig } from '../config/schema.ts';
import { METRIC_OVERFLOW } from './cardinality-exposition.ts';
import { forecastSeries } from './forecast.ts';

const SHOWN_FAMILIES = 8;

export function describeForecast(config: SidecarConfig): string[] {
  const { families, named, traffic, limitedTraffic } = forecastSeries(config);
  const { maxTrafficSeries } = config.telemetry.metrics;
  const number = (value: number) => value.toLocaleString('en');
  const lines = [
    `metrics: at most ${number(named + limitedTraffic)} series, ${number(named)} of them by what the config names, by peers too, and ${number(limitedTraffic)} by what traffic brings; most of them:`,
    ...families
      .slice(0, SHOWN_FAMILIES)
      .map(({ name, series, basis }) => `  ${number(series).padStart(9)} ${name} (${basis})`),
  ];
  if (traffic > limitedTraffic) {
    const [biggest] = families;
    lines.push(
      `warning: traffic could make ${number(traffic)} series, and may make ${number(maxTrafficSeries)} (spec.telemetry.metrics.maxTrafficSeries): what comes then is counted in ` +
        `overflow series. Rarely is it as much; watch ${METRIC_OVERFLOW.name}, and if it grows give fewer rules of routes a name of their own, most of all for ${biggest?.name}, or raise the limit`,
    );
  }
  return lines;
}
