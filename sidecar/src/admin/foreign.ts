/**
 * Tells requests that a web page has sent through somebody's browser: it can reach loopback, but not without its own host name (DNS rebinding) or
 * origin in the request.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isLoopback } from '../config/address.ts';

/** Null for a request of our own; else why it is not. */
export function findForeign(request: IncomingMessage): string | null {
  const { host, origin } = request.headers;
  const name = /^(?:\[([^[\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(host ?? '');
  const hostName = (name?.[1] ?? name?.[2] ?? '').toLowerCase();
  if (request.headersDistinct.host?.length !== 1 || (isIP(hostName) === 0 && !isLoopback(hostName))) {
    return 'the Host header must be localhost or an IP address';
  }
  if (origin !== undefined && origin !== `http://${host}`) {
    return 'requests from web pages of other origins are refused';
  }
  return null;
}
