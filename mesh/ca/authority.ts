/**
 * The embedded certificate authority: a root that signs intermediates, and an intermediate that signs workload certificates.
 *
 * Invariants
 * - It issues for its own trust domain only, whoever asks; nothing it signs outlives what signed it.
 * - Intermediates are replaced at half of their lifetime. Chains carry them, so nobody needs to hear of it beforehand.
 * - Changes are made one after the other, and are stored before anything follows from them: a crash leaves the state before or after.
 *
 * With a state folder it goes on where it was; without one it lives as long as the process (tests, benchmarks).
 */
import { isTrustDomain, parseWorkloadId } from '../../sidecar/src/identity/spiffe-id.ts';
import { type AuthorityStore, FileStore, MemoryStore } from './authority-store.ts';
import {
  createIntermediateCertificate,
  createRootCertificate,
  createServerCertificate,
  createSvidCertificate,
  endOfMs,
  exportKey,
  generateKeys,
  importSigner,
  readValidity,
  type Signer,
  toPem,
  type Validity,
} from './certificates.ts';
import type { Issuer, SignedSvid, SignRequest } from './issuer.ts';
import {
  type AuthorityState,
  activateRoot,
  activationMs,
  cancelRoot,
  describeRotation,
  type Intermediate,
  isMarked,
  markSigned,
  prepareRoot,
  type RootRecord,
  type RotationStatus,
  type RotationStep,
  requireRoot,
  requireSingleRoot,
  requireTime,
  retirementMs,
  retireRoot,
} from './root-rotation.ts';

export interface AuthorityOptions {
  readonly trustDomain: string;
  /** Where the state is kept and the passphrase of the keys in it; null, or not given, keeps nothing. */
  readonly state?: { readonly folder: string; readonly passphrase: string } | null;
  readonly intermediateTtlSeconds?: number;
  /** How long a sidecar that is alive may take to hear of a new root. */
  readonly spreadSeconds?: number;
  readonly nowMs?: () => number;
}

export interface Authority extends Issuer {
  rotateRoot(step: RotationStep, options?: { readonly force?: boolean }): Promise<void>;
  /** Replaces the intermediate when it is time. Throws when that fails; then there is still the present one. */
  maintain(): Promise<void>;
  readonly expiry: AuthorityExpiry;
  readonly rotation: RotationStatus;
}

export interface AuthorityExpiry {
  readonly intermediateEndMs: number;
  readonly roots: readonly {
    readonly id: string;
    readonly role: RootRecord['role'];
    readonly endMs: number;
  }[];
}

/** How far a peer's clock may be behind the authority's. */
const CLOCK_SKEW_MS = 5 * 60_000;
const ROOT_LIFETIME_MS = 10 * 365 * 24 * 3_600_000;
const DEFAULT_INTERMEDIATE_TTL_SECONDS = 30 * 24 * 3_600;

export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { trustDomain, state = null, nowMs = Date.now } = options;
  if (!isTrustDomain(trustDomain)) throw new Error(`"${trustDomain}" is not a SPIFFE trust domain`);
  const store =
    state === null ? new MemoryStore() : new FileStore(state.folder, trustDomain, state.passphrase);
  const ttlMs = (options.intermediateTtlSeconds ?? DEFAULT_INTERMEDIATE_TTL_SECONDS) * 1000;
  const authority = new EmbeddedAuthority(store, trustDomain, ttlMs, options.spreadSeconds ?? 0, nowMs);
  await authority.open();
  return authority;
}

class EmbeddedAuthority implements Authority {
  readonly trustDomain: string;
  readonly #store: AuthorityStore;
  readonly #intermediateTtlMs: number;
  readonly #spreadMs: number;
  readonly #nowMs: () => number;
  readonly #listeners = new Set<() => void>();
  /** Set by `open`, before anybody has the authority. */
  #state!: AuthorityState;
  #signer!: Signer;
  #lastChange: Promise<void> = Promise.resolve();

  constructor(
    store: AuthorityStore,
    trustDomain: string,
    intermediateTtlMs: number,
    spreadSeconds: number,
    nowMs: () => number,
  ) {
    this.#store = store;
    this.trustDomain = trustDomain;
    this.#intermediateTtlMs = intermediateTtlMs;
    this.#spreadMs = spreadSeconds * 1000;
    this.#nowMs = nowMs;
  }

  async open(): Promise<void> {
    this.#state = (await this.#store.load()) ?? (await this.#found());
    this.#signer = await importSigner(this.#state.intermediate);
  }

  trustBundle = () => {
    const { sequence, roots } = this.#state;
    return { sequence, rootsPem: roots.map(({ certificatePem }) => certificatePem).join('') };
  };

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get expiry(): AuthorityExpiry {
    return {
      intermediateEndMs: endOfMs(this.#state.intermediate),
      roots: this.#state.roots.map((root) => ({ id: root.id, role: root.role, endMs: endOfMs(root) })),
    };
  }

  get rotation(): RotationStatus {
    return describeRotation(this.#state, this.#spreadMs);
  }

  sign = async (request: SignRequest): Promise<SignedSvid> => {
    const { csr, spiffeId, ttlSeconds, validFromMs = this.#nowMs() } = request;
    if (parseWorkloadId(spiffeId)?.trustDomain !== this.trustDomain) {
      throw new Error(
        `"${spiffeId}" is not spiffe://${this.trustDomain}/ns/<namespace>/sa/<service account>`,
      );
    }
    // Taken together: another root may begin to sign while the note is written.
    const signer = this.#signer;
    const { rootId } = this.#state.intermediate;
    const period = this.#validity(ttlSeconds, validFromMs);
    const notAfterMs = period.notAfter.getTime();
    await this.#remember(rootId, notAfterMs, ttlSeconds);
    const certificate = await createSvidCertificate(signer, csr.publicKey, spiffeId, period);
    return {
      certificatesPem: toPem(certificate) + signer.certificatePem,
      serialNumber: certificate.serialNumber,
      notBeforeMs: period.notBefore.getTime(),
      notAfterMs,
    };
  };

  async issueServerCertificate(names: readonly string[], ttlSeconds: number) {
    const keys = await generateKeys();
    const signer = this.#signer;
    const period = this.#validity(ttlSeconds, this.#nowMs());
    const certificate = await createServerCertificate(signer, keys.publicKey, names, period);
    return {
      certificatePem: toPem(certificate) + signer.certificatePem,
      keyPem: await exportKey(keys.privateKey),
      notAfterMs: period.notAfter.getTime(),
    };
  }

  maintain(): Promise<void> {
    return this.#change(async () => {
      const { notBefore, notAfter } = readValidity(this.#state.intermediate.certificatePem);
      if (this.#nowMs() < (notBefore.getTime() + notAfter.getTime()) / 2) return;
      const intermediate = await this.#createIntermediate(requireRoot(this.#state, 'signing'));
      await this.#adopt({ ...this.#state, intermediate });
    });
  }

  rotateRoot(step: RotationStep, { force = false } = {}): Promise<void> {
    return this.#change(async () => {
      const state = this.#state;
      const nowMs = this.#nowMs();
      switch (step) {
        case 'prepare': {
          requireSingleRoot(state);
          const { id, certificatePem } = await this.#createRoot();
          return this.#adopt(prepareRoot(state, id, certificatePem, nowMs));
        }
        case 'activate': {
          const why = 'not every sidecar had the time to hear of the new root';
          if (!force) requireTime(activationMs(state, this.#spreadMs), nowMs, why);
          const intermediate = await this.#createIntermediate(requireRoot(state, 'next'));
          return this.#adopt(activateRoot(state, intermediate, nowMs));
        }
        case 'retire': {
          const why = 'certificates that the old root signed are in use';
          if (!force) requireTime(retirementMs(state), nowMs, why);
          await this.#adopt(retireRoot(state));
          return this.#store.removeRootKey(requireRoot(state, 'old').id);
        }
        case 'cancel':
          await this.#adopt(cancelRoot(state));
          return this.#store.removeRootKey(requireRoot(state, 'next').id);
      }
    });
  }

  /** Of two processes that start at once with an empty folder, both go on with what the first one made. */
  async #found(): Promise<AuthorityState> {
    const nowMs = this.#nowMs();
    const root = await this.#createRoot();
    const record: RootRecord = { ...root, role: 'signing', sinceMs: nowMs, signedUntilMs: nowMs };
    const intermediate = await this.#createIntermediate(record);
    const founded: AuthorityState = { sequence: 1, roots: [record], intermediate };
    if (await this.#store.create(founded)) return founded;
    await this.#store.removeRootKey(root.id);
    const stored = await this.#store.load();
    if (stored === null) throw new Error('the state of the authority disappeared while it started');
    return stored;
  }

  async #createRoot(): Promise<{ id: string; certificatePem: string }> {
    const keys = await generateKeys();
    const certificate = await createRootCertificate(
      keys,
      this.trustDomain,
      validFrom(this.#nowMs(), ROOT_LIFETIME_MS),
    );
    const id = certificate.serialNumber.slice(0, 16);
    await this.#store.writeRootKey(id, await exportKey(keys.privateKey));
    return { id, certificatePem: toPem(certificate) };
  }

  async #createIntermediate({ id, certificatePem }: RootRecord): Promise<Intermediate> {
    const root = await importSigner({ certificatePem, keyPem: await this.#store.readRootKey(id) });
    const keys = await generateKeys();
    const period = within(validFrom(this.#nowMs(), this.#intermediateTtlMs), root, this.#nowMs());
    const certificate = await createIntermediateCertificate(root, keys.publicKey, this.trustDomain, period);
    return { rootId: id, certificatePem: toPem(certificate), keyPem: await exportKey(keys.privateKey) };
  }

  /** How long certificates of a root are in use is known before they are given away. Kept coarsely, as each note is a write to disk. */
  async #remember(rootId: string, notAfterMs: number, ttlSeconds: number): Promise<void> {
    if (isMarked(this.#state, rootId, notAfterMs)) return;
    await this.#change(async () => {
      if (isMarked(this.#state, rootId, notAfterMs)) return;
      const state = markSigned(this.#state, rootId, notAfterMs + ttlSeconds * 250);
      await this.#store.save(state);
      this.#state = state;
    });
  }

  async #adopt(state: AuthorityState): Promise<void> {
    const signer = await importSigner(state.intermediate);
    await this.#store.save(state);
    this.#state = state;
    this.#signer = signer;
    for (const listener of this.#listeners) listener();
  }

  #change(make: () => Promise<void>): Promise<void> {
    const made = this.#lastChange.then(make);
    this.#lastChange = made.catch(() => {});
    return made;
  }

  #validity(ttlSeconds: number, validFromMs: number): Validity {
    return within(validFrom(validFromMs, ttlSeconds * 1000), this.#signer, validFromMs);
  }
}

function validFrom(startMs: number, lifetimeMs: number): Validity {
  const start = wholeSeconds(startMs);
  return { notBefore: new Date(start - CLOCK_SKEW_MS), notAfter: new Date(start + lifetimeMs) };
}

/** Cut to the lifetime of the signer. */
function within(period: Validity, { certificate }: Signer, startMs: number): Validity {
  const endMs = certificate.notAfter.getTime();
  if (endMs <= startMs) {
    throw new Error(
      `The certificate of the authority expired at ${certificate.notAfter.toISOString()}: see its README on rotation`,
    );
  }
  return { notBefore: period.notBefore, notAfter: new Date(Math.min(period.notAfter.getTime(), endMs)) };
}

/** Certificates do not know fractions of a second. */
function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000;
}
