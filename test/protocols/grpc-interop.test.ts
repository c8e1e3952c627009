// gRPC between grpc-go's client and server: without a sidecar first, so that a failure behind it is the sidecar's.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { directly, INTEROP_CASES, runInteropCase, startInteropServer } from './grpc-interop.ts';
import { throughTwoSidecars } from './sidecar-pair.ts';
import type { Passage, Stand } from './stand.ts';

const PASSAGES: [name: string, passage: Passage][] = [
  ['directly', directly],
  ['through two sidecars in clear text', throughTwoSidecars({ mtls: 'off', protocol: 'grpc' })],
  ['through two sidecars with mTLS', throughTwoSidecars({ mtls: 'strict', protocol: 'grpc' })],
];
const BUILD_TIMEOUT_MS = 600_000;

describe.each(PASSAGES)('%s', (_name, passage) => {
  let server: Stand;
  let entrance: Stand;

  beforeAll(async () => {
    server = await startInteropServer();
    entrance = await passage(server.port);
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await entrance?.stop();
    await server?.stop();
  });

  it.each(INTEROP_CASES)('%s', async (testCase) => {
    await runInteropCase(testCase, entrance.port);
  });
});
