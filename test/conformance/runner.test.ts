// The suite is only worth what it can find. Here it is let loose on proxies with known faults, and must name each of them.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Activity } from './activity.ts';
import { themes } from './cases/index.ts';
import { Origin } from './origin.ts';
import { runCase } from './run-case.ts';
import { WHOLE } from './split.ts';

/** These proxies are waited for in vain by design. */
const LIMIT_MS = 300;

it('finds nothing where nothing is wrong', async () => {
  expect(await differencesOf('request-line-plain', copyBytes)).toEqual([]);
});

describe.concurrent('a proxy that copies bytes', () => {
  it.each([
    [
      'an ambiguous request',
      'smuggle-cl-te',
      'sent the origin an invalid request: more than one framing field',
    ],
    ['a head outside the grammar', 'header-value-bare-lf', 'sent the origin an invalid request: field line'],
    ['a body outside the grammar', 'chunk-size-plus', 'sent the origin an invalid request: chunk line'],
    ['a request to be refused', 'host-with-space', 'the origin received 1 requests instead of 0'],
    ['a field of one hop', 'hop-nominated', 'x-secret should not be there'],
    ['a target in absolute-form', 'target-absolute', 'target is http:'],
    ['a connection that should have ended', 'close-asked-for', 'the connection stays open'],
    ['an ambiguous response', 'answer-length-twice', 'invalid response: more than one framing field'],
    ['a status line outside the grammar', 'status-2000', 'invalid response: start line'],
    ['a response behind the response', 'answer-response-behind', 'the client received more than it should'],
    ['a response that comes unasked', 'answer-late-response', 'the client received more than it should'],
    ['a body whose truncation does not show', 'answer-until-close', 'the body ends with the connection'],
    ['a length where there is no body', 'answer-204-with-length', 'content-length should not be there'],
  ])('is caught with %s', async (_fault, id, difference) => {
    const differences = await differencesOf(id, copyBytes);
    expect(differences.join('\n')).toContain(difference);
  });
});

it('finds a proxy that refuses what is valid', async () => {
  const differences = await differencesOf(
    'request-line-plain',
    answerWith('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
  );
  expect(differences.join('\n')).toMatch(
    /status is 400 instead of 200[\s\S]*received 0 requests instead of 1/,
  );
});

it('finds a proxy that refuses without closing', async () => {
  const differences = await differencesOf(
    'host-twice',
    answerWith('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n', false),
  );
  expect(differences.join('\n')).toMatch(/the connection stays open[\s\S]*connection is/);
});

it('finds a proxy that completes a broken response', async () => {
  const differences = await differencesOf(
    'answer-length-truncated',
    answerWith('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'),
  );
  expect(differences.join('\n')).toMatch(/a broken message looks complete/);
});

it('finds a proxy that closes without a word', async () => {
  const answer = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno';
  const differences = await differencesOf('early-answer-and-close', answerWith(answer));
  expect(differences.join('\n')).toMatch(/closed without Connection: close/);
});

it('finds a proxy whose reset overtakes its refusal', async () => {
  const answer = 'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno';
  const differences = await differencesOf('early-answer-to-large-upload', (downstream) => {
    downstream.once('data', () => downstream.write(answer, () => downstream.destroy()));
  });
  expect(differences.join('\n')).toMatch(/response 1: missing/);
});

it('finds a proxy that lets a refused answer through in its own words', async () => {
  const differences = await differencesOf(
    'status-000',
    answerWith('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\nConnection: close\r\n\r\nleak'),
  );
  expect(differences.join('\n')).toMatch(/bytes of the refused answer reached the client/);
});

function copyBytes(downstream: Socket, originPort: number): void {
  const upstream = connect({ port: originPort, host: '127.0.0.1', allowHalfOpen: true });
  downstream.pipe(upstream);
  upstream.pipe(downstream);
  upstream.on('error', () => {}).on('close', () => downstream.destroy());
  downstream.on('close', () => upstream.destroy());
}

/** A proxy that answers by itself whatever it gets. */
function answerWith(answer: string, close = true): (downstream: Socket) => void {
  return (downstream) => {
    downstream.once('data', () => (close ? downstream.end(answer) : downstream.write(answer)));
    downstream.on('data', () => {}).on('end', () => downstream.end());
  };
}

async function differencesOf(
  id: string,
  proxy: (downstream: Socket, originPort: number) => void,
): Promise<string[]> {
  const testCase = Object.values(themes)
    .flat()
    .find((candidate) => candidate.id === id);
  if (testCase === undefined) throw new Error(`no case ${id}`);
  const activity = new Activity(LIMIT_MS);
  const origin = new Origin(activity);
  const originPort = await origin.listen();
  const server = createServer({ allowHalfOpen: true }, (downstream) => {
    downstream.on('error', () => {});
    proxy(downstream, originPort);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { differences } = await runCase(
    { port: (server.address() as AddressInfo).port, origin, activity },
    testCase,
    WHOLE,
  );
  server.close();
  await origin.close();
  return differences;
}
