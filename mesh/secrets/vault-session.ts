/**
 * A login to Vault that stays: AppRole or Kubernetes, its token renewed in time, and a new login when renewal comes to its end.
 *
 * Invariants: a new login happens while the old token is still good, since the leases made under a token end with it; whoever holds leases is told
 * (`onLogin`). Identity files are read again for each login, so that a rotated one is found. While Vault is away the session goes on trying, at
 * growing, jittered, bounded intervals, and says so once when it begins and once when it ends.
 */
import { readFileSync } from 'node:fs';
import type NodeVault from 'node-vault';
import type { Clock } from '../../sidecar/src/core/clock.ts';
import { pause } from '../../sidecar/src/identity/pause.ts';
import { retryDelayMs } from './backoff.ts';
import { holdLease, type Lease } from './lease.ts';
import { readSecretFile } from './secret-file.ts';
import { type VaultAnswer, VaultClient, VaultFailure } from './vault-client.ts';

/** With absolute paths. */
export interface VaultConfig {
  readonly address: string;
  readonly namespace?: string | undefined;
  readonly rootsFile?: string | undefined;
  readonly auth: VaultAuth;
}

export type VaultAuth =
  | {
      readonly appRole: {
        readonly mount: string;
        readonly roleIdFile: string;
        readonly secretIdFile: string;
        /** The file holds a wrapping token, good for one look at the secret id. */
        readonly secretIdWrapped: boolean;
      };
    }
  | { readonly kubernetes: { readonly mount: string; readonly role: string; readonly tokenFile: string } };

export interface SecretsDeps {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** One line of a log. No field is ever a secret. */
  readonly report: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

type Work = (vault: NodeVault.client) => Promise<VaultAnswer | undefined>;

/** The pace of logins when none has told yet how long a token lives. */
const FIRST_LOGIN_PACE_MS = 10_000;

export class VaultSession {
  readonly #config: VaultConfig;
  readonly #deps: SecretsDeps;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  #roots: string | undefined;
  #client: VaultClient;
  /** Ends the token's time before it is over. */
  #tokenLost = new AbortController();
  readonly #firstLogin = Promise.withResolvers<void>();
  #logins = 0;
  #awayReason: string | null = 'no login yet';
  #toldAway = false;
  /** A wrapping token opens once; what was in it is kept for later logins. */
  #unwrapped: { wrapping: string; secretId: string } | null = null;

  /** Throws when a file that the config names cannot be read. */
  constructor(config: VaultConfig, deps: SecretsDeps) {
    this.#config = config;
    this.#deps = deps;
    for (const file of identityFiles(config.auth)) readSecretFile(file);
    this.#roots = this.#readRoots();
    this.#client = this.#createClient();
    void this.#run();
  }

  /** Why Vault is of no use now; null while it is. */
  get awayReason(): string | null {
    return this.#awayReason;
  }

  /** Resolves at the first login, or when the session is closed. */
  get loggedIn(): Promise<void> {
    return this.#firstLogin.promise;
  }

  /** Called at each login after the first: leases of the former token end with that. */
  onLogin(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param path below `/v1/`. Rejects with a VaultFailure. */
  read(path: string): Promise<VaultAnswer> {
    return this.#ask(`read ${path}`, (vault) => vault.read(path));
  }

  /** Answers with `keys`. */
  list(path: string): Promise<VaultAnswer> {
    return this.#ask(`list ${path}`, (vault) => vault.list(path));
  }

  write(path: string, body: object): Promise<VaultAnswer> {
    return this.#ask(`write ${path}`, (vault) => vault.write(path, body));
  }

  async renewLease(id: string, seconds: number): Promise<Lease> {
    // The id holds nothing secret, yet it is the handle by which a lease is revoked.
    const answer = await this.#ask('renew a lease', (vault) =>
      vault.renew({ lease_id: id, increment: seconds }),
    );
    return { seconds: answer.lease_duration ?? 0, renewable: answer.renewable ?? false };
  }

  close(): void {
    this.#stop.abort();
    this.#firstLogin.resolve();
    this.#client.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let paceMs = FIRST_LOGIN_PACE_MS;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const lease = await this.#logIn();
        failures = 0;
        paceMs = lease.seconds * 1_000 || paceMs;
        await this.#keepToken(lease);
      } catch (error) {
        if (signal.aborted) return;
        this.#away(error as Error);
        await pause(this.#deps.clock, retryDelayMs(paceMs, failures++, this.#deps.random()), signal);
      }
    }
  }

  async #logIn(): Promise<Lease> {
    this.#renewClient();
    const { auth } = await this.#client.call('log in', await this.#credentials());
    if (!auth) throw new VaultFailure('log in: Vault answered without a token');
    this.#tokenLost = new AbortController();
    this.#logins++;
    this.#back();
    this.#deps.report('vault_login', { ttlSeconds: auth.lease_duration, logins: this.#logins });
    this.#firstLogin.resolve();
    if (this.#logins > 1) for (const listener of this.#listeners) listener();
    return { seconds: auth.lease_duration, renewable: auth.renewable };
  }

  #keepToken(lease: Lease): Promise<void> {
    const held = {
      lease,
      signal: AbortSignal.any([this.#stop.signal, this.#tokenLost.signal]),
      renew: async () => {
        const { auth } = await this.#client.call('renew the token', (vault) => vault.tokenRenewSelf());
        return { seconds: auth?.lease_duration ?? 0, renewable: auth?.renewable ?? false };
      },
      onRenewed: () => this.#back(),
      onFailure: (error: Error) => this.#away(error),
    };
    return holdLease(held, this.#deps);
  }

  async #credentials(): Promise<Work> {
    const { auth } = this.#config;
    if ('kubernetes' in auth) {
      const { mount, role, tokenFile } = auth.kubernetes;
      const jwt = readSecretFile(tokenFile).reveal();
      return (vault) => vault.kubernetesLogin({ mount_point: mount, role, jwt });
    }
    const { mount, roleIdFile, secretIdFile, secretIdWrapped } = auth.appRole;
    const role_id = readSecretFile(roleIdFile).reveal();
    const content = readSecretFile(secretIdFile).reveal();
    const secret_id = secretIdWrapped ? await this.#unwrap(content) : content;
    return (vault) => vault.approleLogin({ mount_point: mount, role_id, secret_id });
  }

  async #unwrap(wrapping: string): Promise<string> {
    if (this.#unwrapped?.wrapping === wrapping) return this.#unwrapped.secretId;
    // The wrapping token is its own permission; there is no other yet.
    const headers = { 'X-Vault-Token': wrapping };
    const { data } = await this.#client
      .call('unwrap the secret id', (vault) => vault.write('sys/wrapping/unwrap', {}, { headers }))
      .catch((error: VaultFailure) => {
        // Refused may mean that somebody else has opened it, which is what wrapping is there to show.
        if (error.isRefusal) this.#deps.report('vault_wrapping_refused', { reason: error.message });
        throw error;
      });
    const secretId = data?.secret_id;
    if (typeof secretId !== 'string')
      throw new VaultFailure('unwrap the secret id: there is no secret_id in it');
    this.#unwrapped = { wrapping, secretId };
    return secretId;
  }

  async #ask(what: string, work: Work): Promise<VaultAnswer> {
    if (this.#logins === 0) throw new VaultFailure(`${what}: not logged in (${this.#awayReason})`);
    try {
      const answer = await this.#client.call(what, work);
      this.#back();
      return answer;
    } catch (error) {
      const failure = error as VaultFailure;
      if (!failure.isRefusal) this.#away(failure);
      // Either the policy does not allow it, or the token was revoked.
      else if (failure.status === 403 && (await this.#tokenIsGone())) this.#tokenLost.abort();
      throw failure;
    }
  }

  async #tokenIsGone(): Promise<boolean> {
    return this.#client
      .call('look up the token', (vault) => vault.tokenLookupSelf())
      .then(
        () => false,
        (error: VaultFailure) => error.status === 403,
      );
  }

  #away(error: Error): void {
    this.#awayReason = error.message;
    if (this.#toldAway) return;
    this.#toldAway = true;
    this.#deps.report('vault_away', { reason: error.message });
  }

  #back(): void {
    this.#awayReason = null;
    if (!this.#toldAway) return;
    this.#toldAway = false;
    this.#deps.report('vault_back', {});
  }

  /** Another client when who vouches for the server has changed. */
  #renewClient(): void {
    const roots = this.#readRoots();
    if (roots === this.#roots) return;
    this.#client.close();
    this.#roots = roots;
    this.#client = this.#createClient();
  }

  #createClient(): VaultClient {
    const { address, namespace } = this.#config;
    return new VaultClient({ address, namespace, roots: this.#roots });
  }

  #readRoots(): string | undefined {
    const { rootsFile } = this.#config;
    return rootsFile === undefined ? undefined : readFileSync(rootsFile, 'utf8');
  }
}

function identityFiles(auth: VaultAuth): string[] {
  return 'kubernetes' in auth
    ? [auth.kubernetes.tokenFile]
    : [auth.appRole.roleIdFile, auth.appRole.secretIdFile];
}
