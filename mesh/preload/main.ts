/**
 * `node --import ./preload.mjs service.js`: hands the context of each request that a service serves on to the requests that it makes meanwhile.
 *
 * Invariants: no dependency; the service is not changed, and never sees an error of this; without a context that came in, nothing is done.
 */
import { syncBuiltinESMExports } from 'node:module';
import { detachConnections } from './connections.ts';
import { guard } from './guard.ts';
import { watchHttp1 } from './http1.ts';
import { watchHttp2 } from './http2.ts';
import { watchUndici } from './undici.ts';

for (const watch of [watchHttp1, watchHttp2, watchUndici, detachConnections, syncBuiltinESMExports])
  guard(watch)();
