// h2spec against a sidecar, in front of a service of HTTP/2 and of one of HTTP/1.1.
import { once } from 'node:events';
import http2 from 'node:http2';
import { describe, expect, it } from 'vitest';
import { startSidecar } from '../../sidecar/src/app.ts';
import { createFolder, sidecarConfig } from '../e2e/mesh-fixture.ts';
import { H2SPEC_CASES, readVerdicts, runH2spec } from './h2spec.ts';
import { startHttp1Origin, startHttp2Origin } from './origins.ts';
import type { Stand } from './stand.ts';

const BUILD_TIMEOUT_MS = 600_000;
/** Some cases open the window byte by byte. */
const BODY_BYTES = 1_024;
/**
 * Some cases send something forbidden behind a request that is complete, and take no error for an answer that came first. So the answer gives
 * them time, also on a machine that is busy.
 */
const ANSWER_DELAY_MS = 150;

it(
  'finds nothing wrong with a listener for HTTP/2',
  async () => {
    const origin = await startHttp2Origin(BODY_BYTES, ANSWER_DELAY_MS);
    const sidecar = await startSidecarBefore(origin, 'http2');
    try {
      const verdicts = await runH2spec(sidecar.port);
      expect(verdicts.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
      expect(verdicts.length).toBe(H2SPEC_CASES);
      expect(await statusOf(sidecar.port)).toBe(200);
    } finally {
      await sidecar.stop();
      await origin.stop();
    }
  },
  BUILD_TIMEOUT_MS,
);

it(
  'finds nothing wrong with a listener that tells HTTP/1.1 and HTTP/2 apart, but that what is no preface is HTTP/1.1',
  async () => {
    const origin = await startHttp1Origin(BODY_BYTES, ANSWER_DELAY_MS);
    const sidecar = await startSidecarBefore(origin, 'http');
    try {
      const verdicts = await runH2spec(sidecar.port);
      const failed = verdicts.filter(({ outcome }) => outcome !== 'passed').map(({ name }) => name);
      expect(failed).toEqual(['http2/3.5: Sends invalid connection preface']);
      expect(verdicts.length).toBe(H2SPEC_CASES);
      expect(await statusOf(sidecar.port)).toBe(200);
    } finally {
      await sidecar.stop();
      await origin.stop();
    }
  },
  BUILD_TIMEOUT_MS,
);

describe('the harness', () => {
  it(
    "sees the known faults of Node's own server",
    async () => {
      const target = await startHttp2Origin(BODY_BYTES, ANSWER_DELAY_MS);
      try {
        const verdicts = await runH2spec(target.port, ['http2/5.1.1', 'http2/6.1']);
        expect(verdicts.filter(({ outcome }) => outcome === 'failed')).toEqual([
          {
            name: 'http2/5.1.1: Sends stream identifier that is numerically smaller than previous',
            outcome: 'failed',
            detail: expect.stringMatching(
              /^GOAWAY Frame \(Error Code: PROTOCOL_ERROR\)\nConnection closed\n/,
            ),
          },
        ]);
        expect(verdicts.filter(({ outcome }) => outcome === 'passed').length).toBeGreaterThan(2);
      } finally {
        await target.stop();
      }
    },
    BUILD_TIMEOUT_MS,
  );

  it('says so when nobody answers', async () => {
    const target = await startHttp2Origin(BODY_BYTES, ANSWER_DELAY_MS);
    await target.stop();
    await expect(runH2spec(target.port, ['http2/6.1'])).rejects.toThrow(/h2spec made no report/);
  });

  it('reads every kind of verdict', () => {
    const xml = `<testsuites><testsuite name="1. A">
      <testcase package="http2/1" classname="Sends &#34;a&#34; &lt;b&gt;" time="0.1"></testcase>
      <testcase package="http2/1" classname="Skips" time="0.0">
        <skipped></skipped>
      </testcase>
      <testcase package="http2/1" classname="Fails" time="2.0">
        <error>Connection closed\nTimeout</error>
      </testcase></testsuite></testsuites>`;
    expect(readVerdicts(xml)).toEqual([
      { name: 'http2/1: Sends "a" <b>', outcome: 'passed', detail: '' },
      { name: 'http2/1: Skips', outcome: 'skipped', detail: '' },
      { name: 'http2/1: Fails', outcome: 'failed', detail: 'Connection closed\nTimeout' },
    ]);
  });
});

async function startSidecarBefore(origin: Stand, protocol: 'http2' | 'http'): Promise<Stand> {
  const folder = await createFolder();
  const inbound = [
    { name: 'http', listen: '127.0.0.1:0', mtls: 'off', protocol, target: `127.0.0.1:${origin.port}` },
  ];
  const configPath = await folder.write('sidecar.yaml', sidecarConfig('target', { inbound }));
  const sidecar = await startSidecar({ configPath });
  return {
    port: sidecar.inboundPorts.http as number,
    async stop() {
      await sidecar.drain();
      await folder.remove();
    },
  };
}

/** Otherwise the suite might have passed on answers of the sidecar's own. */
async function statusOf(port: number): Promise<number> {
  const client = http2.connect(`http://127.0.0.1:${port}`);
  try {
    const request = client.request({ ':path': '/' });
    const [headers] = (await once(request, 'response')) as [
      http2.IncomingHttpHeaders & { ':status': number },
    ];
    return headers[':status'];
  } finally {
    client.destroy();
  }
}
