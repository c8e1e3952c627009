import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serve, tulle } from '../cli.fixture.ts';

// Answers as a control plane gave them in the demo.
const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, 'recorded', `${name}.json`), 'utf8');
const BROKEN = recorded('broken-webhook');
const { requestId, traceId } = JSON.parse(BROKEN) as { requestId: string; traceId: string };

/** Knows the request of BROKEN by both ids, whose answer may be changed. */
function admin(change: (found: Record<string, unknown>) => void = () => {}) {
  return serve(({ url }, response) => {
    if (url !== `/traces/${requestId}` && url !== `/traces/${traceId}`) {
      const body = { status: 404, detail: 'spans are kept for 30 s' };
      response.writeHead(404, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
      return;
    }
    const found = JSON.parse(BROKEN) as Record<string, unknown>;
    change(found);
    response.end(JSON.stringify(found));
  });
}

describe('tulle explain', () => {
  it('draws and tells, by request id and by trace id, without colours in a pipe', async () => {
    await using control = await admin();
    for (const id of [requestId, traceId]) {
      const { code, out, err } = await tulle(['explain', id, '--control', control.url, '--width', '100']);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain('└ it died here');
      expect(out.replace(/\n {2}/g, ' ')).toContain('died at webhook-receiver service in, in its own code');
      expect(out).toContain('What to do next');
      expect(out).not.toContain('\u001b');
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    }
  });

  it('gives diagnosis and spans as JSON', async () => {
    await using control = await admin();
    const { code, out } = await tulle(['explain', requestId, '--json', '--control', control.url]);
    const { diagnosis, words, spans } = JSON.parse(out);
    expect(code).toBe(0);
    expect(diagnosis).toMatchObject({
      traceId,
      requestId,
      outcome: 'died',
      hop: 'webhook-receiver service in',
      service: 'webhook-receiver',
      component: 'service',
      phase: 'code',
      failureCode: '500',
      status: 500,
      attempts: 4,
    });
    expect(words).toContain('It was tried 4 times.');
    expect(spans).toEqual(JSON.parse(BROKEN).spans);
  });

  it('puts together what sidecars know, and says how many answered', async () => {
    const half = (keep: (service: string) => boolean) =>
      admin((found) => {
        found.spans = (found.spans as { service: string }[]).filter(({ service }) => keep(service));
      });
    await using receiver = await half((service) => service === 'webhook-receiver');
    await using others = await half((service) => service !== 'webhook-receiver');
    const nobody = await admin();
    await nobody[Symbol.asyncDispose]();
    const sidecars = [receiver, others, nobody].flatMap(({ url }) => ['--sidecar', url]);
    const { code, out } = await tulle(['explain', requestId, ...sidecars]);
    expect(code).toBe(0);
    expect(out).toContain('gateway');
    expect(out).toContain('└ it died here');
    expect(out).toContain('2 of 3 sidecars answered');
    expect(out).not.toContain('name a parent that never came');
  });

  it('says so when the control plane heard of a part of its sidecars only', async () => {
    await using control = await admin((found) => Object.assign(found, { asked: 5, answered: 3 }));
    const { code, out } = await tulle(['explain', requestId, '--control', control.url]);
    expect(code).toBe(0);
    expect(out).toContain('3 of 5 sidecars answered');
  });

  it('leaves the terminal alone, whatever spans hold', async () => {
    await using control = await admin((found) => {
      for (const span of found.spans as Record<string, unknown>[]) {
        Object.assign(span, {
          name: '\u001b[2J',
          service: 'a\u0007b',
          errorMessage: '\r\u009b1A',
          error: true,
        });
      }
    });
    const { code, out } = await tulle(['explain', requestId, '--control', control.url]);
    expect(code).toBe(0);
    expect(out.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('says who does not know the request, and for how long it could have been known', async () => {
    await using control = await admin();
    for (const where of ['--control', '--sidecar']) {
      const { code, out, err } = await tulle(['explain', 'unheard-of', where, control.url]);
      expect([code, out]).toEqual([1, '']);
      expect(err).toBe('tulle explain: nobody knows unheard-of: spans are kept for 30 s\n');
    }
  });

  it('says what to do when nobody is there, or somebody else', async () => {
    const away = await admin();
    await away[Symbol.asyncDispose]();
    const { code, err } = await tulle(['explain', requestId, '--control', away.url]);
    expect(code).toBe(1);
    expect(err).toContain(`${away.url}: nobody listens there; start the control plane`);

    await using other = await serve(({ url }, response) =>
      url?.endsWith('found') === true ? response.end('<html>') : response.writeHead(404).end('<html>'),
    );
    const strange = await tulle(['explain', 'found', '--control', other.url]);
    expect(strange).toMatchObject({ code: 1, err: expect.stringContaining('something else than a trace') });
    const missing = await tulle(['explain', 'lost', '--sidecar', other.url]);
    expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('is it the admin port') });
  });

  it.each([
    [['explain'], 'one id of a request, please'],
    [['explain', 'a', '--jsn'], 'there is no --jsn; did you mean --json?'],
    [['explain', 'a', '--width', '12'], '--width: must be a whole number from 80 to 160, and is "12"'],
    [
      ['explain', 'a', '--control', 'ftp://x'],
      '--control: must be like http://127.0.0.1:15000, and is "ftp://x"',
    ],
    [['explain', 'a', '--control', 'x:1', '--sidecar', 'y:1'], 'either --control or --sidecar, not both'],
    [['explian'], 'there is no command "explian"; did you mean explain?'],
  ])('%j ends with 2 and says why', async (args, why) => {
    const { code, out, err } = await tulle(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(why);
  });

  it('has help', async () => {
    const { code, out } = await tulle(['explain', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('usage: tulle explain <request id | trace id>');
    expect((await tulle(['help'])).out).toContain('explain   says of one request');
  });
});
