/**
 * An issuer whose keys never leave Vault: its PKI engine signs, by a role that takes the name from here and nothing but the key from the request.
 *
 * Invariants: what Vault signed is handed out only after it was checked to be what was asked for. The trust bundle is the roots of all issuers of the mount, read
 * again and again, so that a root is in it before a role begins to sign by it; it is kept on disk, and stays as it was while Vault is away. Nothing
 * is retried here: who asked does that, and the next request finds Vault as it is then.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { createKeyAndCsr } from '../../sidecar/src/identity/csr.ts';
import type { VaultSession } from '../secrets/vault-session.ts';
import type { Issuer, ServerCertificate, SignedSvid, SignRequest, TrustBundle } from './issuer.ts';
import { LIMITS } from './limits.ts';
import { Refusal } from './refusal.ts';
import { checkSvid } from './svid-check.ts';
import { VaultPki } from './vault-pki.ts';
import {
  type KeptServerCertificate,
  readBundle,
  readServerCertificate,
  storeBundle,
  storeServerCertificate,
} from './vault-state.ts';

export interface VaultIssuerOptions {
  readonly trustDomain: string;
  /** Keeps the trust bundle and the authority's own certificate. */
  readonly stateDir: string;
  readonly session: VaultSession;
  readonly mount: string;
  /** Signs workloads. */
  readonly role: string;
  /** Signs the authority's own certificate. */
  readonly serverRole: string;
  readonly report: (event: VaultIssuerEvent) => void;
  readonly bundleRefreshMs?: number;
}

export type VaultIssuerEvent =
  | { readonly event: 'bundle_changed'; readonly sequence: number; readonly roots: number }
  /** The bundle stays as it was. Once an outage. */
  | { readonly event: 'bundle_not_refreshed'; readonly reason: string }
  /** A role signs by a root that was not in the bundle: peers may not know it yet. */
  | { readonly event: 'unknown_root' };

export class VaultIssuer implements Issuer {
  readonly trustDomain: string;
  readonly #options: VaultIssuerOptions;
  readonly #pki: VaultPki;
  readonly #listeners = new Set<() => void>();
  readonly #timer: NodeJS.Timeout;
  #refreshing: Promise<void> | null = null;
  #bundle: TrustBundle;
  #roots: readonly X509Certificate[];
  #awaySinceMs: number | null = null;
  #toldStale = false;

  /** Waits a while for Vault; without it, an authority that was here before goes on with what it has kept. */
  static async open(options: VaultIssuerOptions): Promise<VaultIssuer> {
    const pki = new VaultPki(options.session, options.mount);
    const stored = await readBundle(options.stateDir);
    const late = new AbortController();
    await Promise.race([
      options.session.loggedIn,
      sleep(LIMITS.firstLoginMs, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
    const issuer = new VaultIssuer(options, pki, stored ?? (await waitForBundle(pki, options)));
    if (stored !== null) void issuer.#tryRefresh();
    return issuer;
  }

  private constructor(options: VaultIssuerOptions, pki: VaultPki, bundle: TrustBundle) {
    this.trustDomain = options.trustDomain;
    this.#options = options;
    this.#pki = pki;
    this.#bundle = bundle;
    this.#roots = readPem(bundle.rootsPem);
    const refreshMs = options.bundleRefreshMs ?? LIMITS.bundleRefreshMs;
    this.#timer = setInterval(() => void this.#tryRefresh(), refreshMs).unref();
  }

  /** How long Vault has not signed or answered; 0 while it does. What to alarm on. */
  get awaySeconds(): number {
    return this.#awaySinceMs === null ? 0 : (performance.now() - this.#awaySinceMs) / 1_000;
  }

  async sign({ csr, spiffeId, ttlSeconds }: SignRequest): Promise<SignedSvid> {
    const request = { csr: csr.pem, uri_sans: spiffeId, ttl: `${ttlSeconds}s` };
    const chain = await this.#sign(this.#options.role, request);
    const wanted = { publicKey: csr.publicKey, spiffeId, ttlSeconds };
    await checkSvid(chain, this.#roots, wanted, Date.now());
    const [leaf] = chain as [X509Certificate];
    return {
      certificatesPem: toPem(chain),
      serialNumber: leaf.serialNumber.toLowerCase(),
      notBeforeMs: leaf.validFromDate.getTime(),
      notAfterMs: leaf.validToDate.getTime(),
    };
  }

  async issueServerCertificate(names: readonly string[], ttlSeconds: number): Promise<ServerCertificate> {
    const { stateDir } = this.#options;
    try {
      const signed = await this.#signServerCertificate(names, ttlSeconds);
      await storeServerCertificate(stateDir, signed);
      return signed;
    } catch (error) {
      const kept = await readServerCertificate(stateDir);
      if (kept === null || kept.notAfterMs <= Date.now() || !isDeepStrictEqual(kept.names, names))
        throw error;
      return kept;
    }
  }

  trustBundle(): TrustBundle {
    return this.#bundle;
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#options.session.close();
  }

  async #signServerCertificate(names: readonly string[], ttlSeconds: number): Promise<KeptServerCertificate> {
    const { csrPem, keyPem } = await createKeyAndCsr();
    const chain = await this.#sign(this.#options.serverRole, {
      csr: csrPem,
      alt_names: names.filter((name) => isIP(name) === 0).join(),
      ip_sans: names.filter((name) => isIP(name) !== 0).join(),
      ttl: `${ttlSeconds}s`,
    });
    const [leaf] = chain;
    if (leaf === undefined) throw new Error('Vault has signed no certificate for the authority');
    return { names, certificatePem: toPem(chain), keyPem, notAfterMs: leaf.validToDate.getTime() };
  }

  /** The leaf first, without the root. */
  async #sign(role: string, request: Readonly<Record<string, string>>): Promise<X509Certificate[]> {
    const { certificate, chain } = await this.#watchAway(this.#pki.sign(role, request));
    const certificates = [certificate, ...chain].flatMap(readPem);
    const root = certificates.find(isRoot);
    if (root !== undefined && !this.#roots.some((known) => known.fingerprint256 === root.fingerprint256)) {
      this.#options.report({ event: 'unknown_root' });
      await this.#refresh();
    }
    return certificates.filter((each) => !isRoot(each));
  }

  async #tryRefresh(): Promise<void> {
    try {
      await this.#refresh();
      this.#toldStale = false;
    } catch (error) {
      if (!this.#toldStale)
        this.#options.report({ event: 'bundle_not_refreshed', reason: (error as Error).message });
      this.#toldStale = true;
    }
  }

  /** Once, whoever waits for it. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readBundle().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #readBundle(): Promise<void> {
    const roots = await this.#watchAway(readRoots(this.#pki));
    const rootsPem = toPem(roots);
    if (rootsPem === this.#bundle.rootsPem) return;
    const bundle = { sequence: this.#bundle.sequence + 1, rootsPem };
    await storeBundle(this.#options.stateDir, bundle);
    this.#bundle = bundle;
    this.#roots = roots;
    this.#options.report({ event: 'bundle_changed', sequence: bundle.sequence, roots: roots.length });
    for (const listener of this.#listeners) listener();
  }

  async #watchAway<Result>(work: Promise<Result>): Promise<Result> {
    try {
      const result = await work;
      this.#awaySinceMs = null;
      return result;
    } catch (error) {
      // That there is too much to do for now does not mean that nothing is done.
      if (!(error instanceof Refusal && error.code === 'issuer_busy'))
        this.#awaySinceMs ??= performance.now();
      throw error;
    }
  }
}

async function waitForBundle(pki: VaultPki, { session, stateDir }: VaultIssuerOptions): Promise<TrustBundle> {
  const giveUpAtMs = performance.now() + LIMITS.startPatienceMs;
  for (;;) {
    try {
      const bundle = { sequence: 1, rootsPem: toPem(await readRoots(pki)) };
      await storeBundle(stateDir, bundle);
      return bundle;
    } catch (error) {
      if (performance.now() > giveUpAtMs)
        throw new Error(
          `Vault has not told its roots within ${LIMITS.startPatienceMs} ms: ${session.awayReason ?? (error as Error).message}`,
        );
    }
    await sleep(LIMITS.startPollMs);
  }
}

/** In an order of their own, so that equal sets are equal texts. */
async function readRoots(pki: VaultPki): Promise<X509Certificate[]> {
  const nowMs = Date.now();
  const roots = new Map<string, X509Certificate>();
  for (const certificate of (await pki.readAuthorities()).flatMap(readPem)) {
    if (isRoot(certificate) && certificate.validToDate.getTime() > nowMs)
      roots.set(certificate.fingerprint256, certificate);
  }
  if (roots.size === 0)
    throw new Error('no issuer of the mount leads to a root; import the certificate of the root into it');
  return [...roots.keys()].sort().map((fingerprint) => roots.get(fingerprint) as X509Certificate);
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.ca && certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function readPem(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function toPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('');
}
