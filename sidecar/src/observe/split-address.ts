import { isIP } from 'node:net';

/** `host:port`, `[v6]:port` or a host or address alone. */
export function splitAddress(text: string): { host: string; port: number | undefined } {
  const port = isIP(text) === 0 ? /:(\d{1,5})$/.exec(text)?.[1] : undefined;
  const host = port === undefined ? text : text.slice(0, -port.length - 1);
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? undefined : Number(port) };
}
