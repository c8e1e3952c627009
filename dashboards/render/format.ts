/**
 * Numbers in the units of Grafana, short enough for axes and tables.
 */

const SI = ['', 'K', 'M', 'G', 'T'];
const SUFFIXES: Readonly<Record<string, string>> = { reqps: 'req/s', cps: '/s', ops: 'ops/s', x: 'x' };

export function formatValue(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–';
  if (unit === 's') return formatSeconds(value);
  if (unit === 'percentunit') return `${digits(value * 100)}%`;
  if (unit === 'bytes') return scaled(value, 1_024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
  if (unit === 'binBps') return `${scaled(value, 1_024, ['B', 'KiB', 'MiB', 'GiB', 'TiB'])}/s`;
  const suffix = SUFFIXES[unit];
  return suffix === undefined
    ? scaled(value, 1_000, SI).trim()
    : `${scaled(value, 1_000, SI).trim()} ${suffix}`;
}

function formatSeconds(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 0.001) return `${digits(value * 1e6)} µs`;
  if (size < 1) return `${digits(value * 1_000)} ms`;
  if (size < 120) return `${digits(value)} s`;
  if (size < 7_200) return `${digits(value / 60)} min`;
  return size < 172_800 ? `${digits(value / 3_600)} h` : `${digits(value / 86_400)} d`;
}

function scaled(value: number, base: number, names: readonly string[]): string {
  let power = 0;
  while (Math.abs(value) >= base && power < names.length - 1) {
    value /= base;
    power++;
  }
  return `${digits(value)} ${names[power]}`;
}

/** Three that count. */
function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function formatTime(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().slice(11, 19);
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
