/**
 * Connections have no context: one is opened for a request, and then serves many. What its events wake would otherwise run in the context of
 * the request for which it was opened, above all what waits for a place in a pool.
 */
import net from 'node:net';
import tls from 'node:tls';
import { runWithoutContext } from './context.ts';

export function detachConnections(): void {
  const { prototype } = net.Socket;
  const { connect } = prototype;
  prototype.connect = function (this: net.Socket, ...args: unknown[]) {
    return runWithoutContext(() => Reflect.apply(connect, this, args));
  } as typeof connect;
  // The handle of a TLS connection is made before it connects.
  const { connect: connectTls } = tls;
  (tls as { connect: unknown }).connect = (...args: unknown[]) =>
    runWithoutContext(() => Reflect.apply(connectTls, tls, args));
}
