// Stands for PagerDuty, Opsgenie, Slack and webhooks: takes what Alertmanager sends each and tells by notifier what came.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Message {
  /** The first part of the path: who is meant. */
  readonly notifier: string;
  readonly path: string;
  readonly authorization: string;
  // biome-ignore lint/suspicious/noExplicitAny: each service has a language of its own
  readonly body: any;
}

export interface Pager {
  readonly url: string;
  readonly messages: readonly Message[];
  /** The first message that is meant; waits for it. */
  next(isMeant: (message: Message) => boolean): Promise<Message>;
  close(): Promise<void>;
}

const POLL_MS = 20;

export async function openPager(onMessage: (message: Message) => void = () => {}): Promise<Pager> {
  const messages: Message[] = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://pager');
    const text = Buffer.concat(await request.toArray()).toString();
    response.setHeader('content-type', 'application/json');
    // What each wants to hear, or it would be told again: PagerDuty 202 and `success`, Slack `ok`.
    response
      .writeHead(pathname.includes('pager') ? 202 : 200)
      .end('{"status":"success","requestId":"1","ok":true}');
    const [, notifier = ''] = pathname.split('/');
    const { authorization = '' } = request.headers;
    const message = { notifier, path: pathname, authorization, body: text === '' ? null : JSON.parse(text) };
    messages.push(message);
    onMessage(message);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    messages,
    async next(isMeant) {
      for (;;) {
        const message = messages.find(isMeant);
        if (message !== undefined) return message;
        await sleep(POLL_MS);
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
