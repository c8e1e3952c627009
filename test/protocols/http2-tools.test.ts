// curl, nghttp and h2load, each as it is, through two sidecars.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DebianTool, findDebianTool } from '../parts/debian-tools.ts';
import { startHttp2Origin } from './origins.ts';
import { throughTwoSidecars } from './sidecar-pair.ts';
import type { Stand } from './stand.ts';

/** More than any window at the start, so that it takes flow control to get it all. */
const BODY_BYTES = 1_000_000;
const INSTALL_TIMEOUT_MS = 600_000;

describe.each(['off', 'strict'] as const)('mtls: %s', (mtls) => {
  let origin: Stand;
  let pair: Stand;
  beforeAll(async () => {
    origin = await startHttp2Origin(BODY_BYTES);
    pair = await throughTwoSidecars({ mtls, protocol: 'http2' })(origin.port);
  });
  afterAll(async () => {
    await pair?.stop();
    await origin?.stop();
  });

  it(
    'curl, which knows that it is HTTP/2',
    async () => {
      const format = '%{http_code} %{http_version} %{size_download}';
      const url = `http://127.0.0.1:${pair.port}/`;
      const knowing = await runTool('curl', [
        '-s',
        '-o',
        '/dev/null',
        '-w',
        format,
        '--http2-prior-knowledge',
        url,
      ]);
      expect(knowing).toBe(`200 2 ${BODY_BYTES}`);
    },
    INSTALL_TIMEOUT_MS,
  );

  it(
    'nghttp',
    async () => {
      const output = await runTool('nghttp', ['-nv', `http://127.0.0.1:${pair.port}/`]);
      expect(output).toContain(':status: 200');
      expect(output).not.toMatch(/RST_STREAM|PROTOCOL_ERROR/);
      const lengths = [...output.matchAll(/recv DATA frame <length=(\d+)/g)].map(([, length]) =>
        Number(length),
      );
      expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(BODY_BYTES);
    },
    INSTALL_TIMEOUT_MS,
  );

  it(
    'h2load: many streams over a few connections',
    async () => {
      const output = await runTool('h2load', [
        '-n',
        '200',
        '-c',
        '4',
        '-m',
        '10',
        `http://127.0.0.1:${pair.port}/`,
      ]);
      expect(output).toMatch(
        /200 total, 200 started, 200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout/,
      );
    },
    INSTALL_TIMEOUT_MS,
  );
});

async function runTool(tool: DebianTool, args: string[]): Promise<string> {
  const { command, env } = await findDebianTool(tool);
  const { stdout } = await promisify(execFile)(command, args, {
    env: { ...process.env, ...env },
    maxBuffer: 16_777_216,
  });
  return stdout;
}
