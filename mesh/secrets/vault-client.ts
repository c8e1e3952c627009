/**
 * One address of Vault, through `node-vault`, with the bounds that library lacks.
 *
 * node-vault alone follows redirects with the token in its header, waits for ever, reads answers of any size, obeys VAULT_TOKEN, VAULT_SKIP_VERIFY and
 * proxy variables, prints what it writes under DEBUG, and its errors hold the whole answer. Here its transport is replaced and its debug off.
 *
 * Invariants: a call ends within `vaultCallMs`; a redirect is an error; TLS is always verified; no error holds what was sent, what was answered, or
 * the token, only Vault's own sentence with all of these cut out.
 */
import createVault, { type client as NodeVault } from 'node-vault';
import { Agent, request } from 'undici';
import { LIMITS } from './limits.ts';
import type { Secret } from './secret.ts';

export interface VaultAddress {
  readonly address: string;
  readonly namespace?: string | undefined;
  /** PEM of who vouches for the server; without it, those of Node. */
  readonly roots?: string | undefined;
  /** For whoever does not log in. */
  readonly token?: Secret;
}

/** As Vault answers, whatever was asked. */
export interface VaultAnswer {
  readonly data?: Record<string, unknown> | null;
  readonly lease_id?: string;
  readonly lease_duration?: number;
  readonly renewable?: boolean;
  readonly auth?: {
    readonly client_token: string;
    readonly lease_duration: number;
    readonly renewable: boolean;
  } | null;
}

/** `status` is null when there was no answer. */
export class VaultFailure extends Error {
  override name = 'VaultFailure';
  readonly status: number | null;

  constructor(message: string, status: number | null = null) {
    super(message);
    this.status = status;
  }

  /** Nothing changes by asking again: the request itself is refused. */
  get isRefusal(): boolean {
    return this.status !== null && this.status >= 400 && this.status < 500 && this.status !== 429;
  }
}

export class VaultClient {
  readonly #agent: Agent;
  readonly #vault: NodeVault;

  constructor({ address, namespace, roots, token }: VaultAddress) {
    this.#agent = new Agent({
      connections: LIMITS.vaultConnections,
      connect: { timeout: LIMITS.vaultConnectMs, ...(roots === undefined ? {} : { ca: roots }) },
    });
    this.#vault = createVault({
      endpoint: address,
      debug: () => {},
      'request-promise': { defaults: () => (options: Sent) => send(options, this.#agent) },
    });
    // What it took from the environment.
    Object.assign(this.#vault, { token: token?.reveal() ?? '', pathPrefix: '', namespace });
  }

  /** `what` begins the message of a failure: "log in", "read database/creds/gateway". */
  async call(
    what: string,
    work: (vault: NodeVault) => Promise<VaultAnswer | undefined>,
  ): Promise<VaultAnswer> {
    try {
      return (await work(this.#vault)) ?? {};
    } catch (error) {
      const status = (error as { response?: { statusCode?: number } }).response?.statusCode;
      throw new VaultFailure(`${what}: ${describe(error, status)}`, status ?? null);
    }
  }

  close(): void {
    void this.#agent.destroy();
  }
}

interface Sent {
  readonly method: string;
  readonly uri: string;
  readonly headers: Record<string, string>;
  readonly json?: unknown;
}

async function send({ method, uri, headers, json }: Sent, dispatcher: Agent) {
  const response = await request(uri, {
    method: method as 'GET',
    headers: { ...headers, 'x-vault-request': 'true', 'content-type': 'application/json' },
    body: json === undefined ? null : JSON.stringify(json),
    dispatcher,
    signal: AbortSignal.timeout(LIMITS.vaultCallMs),
  });
  const { statusCode } = response;
  const body = parse(await readBounded(response.body));
  if (statusCode >= 300 && statusCode < 400)
    throw new Error('answered with a redirect, which is not followed; set `address` to the active server');
  return {
    statusCode,
    body:
      statusCode < 300 ? body : { errors: [firstError(body, [...stringsIn(headers), ...stringsIn(json)])] },
    request: { path: new URL(uri).pathname },
  };
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LIMITS.vaultAnswerBytes)
      throw new Error(`answered more than ${LIMITS.vaultAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('answered what is not JSON; is `address` that of Vault?');
  }
}

/** Too short to be a secret, and likely to be part of any sentence. */
const SHORT_CHARS = 8;

function firstError(body: unknown, sent: readonly string[]): string {
  const { errors } = (body ?? {}) as { errors?: unknown };
  let text = Array.isArray(errors) ? String(errors[0] ?? '') : '';
  for (const secret of sent) if (secret.length >= SHORT_CHARS) text = text.replaceAll(secret, '…');
  return text.replace(/\s+/g, ' ').slice(0, LIMITS.reasonChars);
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

function describe(error: unknown, status: number | undefined): string {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (status !== undefined) return `Vault answered ${status}${message === '' ? '' : ` (${message})`}`;
  if (name === 'TimeoutError') return `Vault did not answer within ${LIMITS.vaultCallMs} ms`;
  return `Vault ${code === undefined ? message : `cannot be reached (${code})`}`;
}
