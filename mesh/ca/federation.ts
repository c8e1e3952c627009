/**
 * The bundles of foreign trust domains, for the sidecars of this one: from a bundle endpoint (SPIFFE Federation, section 5), or from a file that somebody else writes.
 *
 * Invariants: a bundle counts for the trust domain that the config has for its source, and for no other. The last good one stays, over restarts too, and it vouches for its endpoint along
 * with what the config names, so that a root there can be replaced. What fails is told once an outage, and tried again. Redirects are not followed.
 */
import { readFile } from 'node:fs/promises';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { readBounded } from '../../sidecar/src/core/read-bounded.ts';
import { replaceFile } from '../../sidecar/src/durable-file.ts';
import {
  readSpiffeBundle,
  type SpiffeBundle,
  writeSpiffeBundle,
} from '../../sidecar/src/identity/spiffe-bundle.ts';
import { spiffeIdOf } from '../../sidecar/src/identity/uri-name.ts';
import { LIMITS } from './limits.ts';

export interface ForeignTrustDomain {
  readonly trustDomain: string;
  readonly source: BundleSource;
}

export type BundleSource =
  | { readonly kind: 'file'; readonly file: string }
  /** `rootsFile` (PEM) vouches for the endpoint, or the public authorities where it is null. */
  | { readonly kind: 'https_web'; readonly url: string; readonly rootsFile: string | null }
  /** The endpoint proves `spiffeId`, a workload of the foreign trust domain. `bundleFile` is what is known of that at first. */
  | {
      readonly kind: 'https_spiffe';
      readonly url: string;
      readonly spiffeId: string;
      readonly bundleFile: string;
    };

export interface FederationEvent {
  readonly event: 'foreign_bundle_changed' | 'foreign_bundle_not_refreshed';
  readonly trustDomain: string;
  readonly reason?: string;
}

type Report = (event: FederationEvent & Readonly<Record<string, unknown>>) => void;

export class Federation {
  readonly #domains: readonly ForeignDomain[];

  /** Settles after each bundle was asked for once. */
  static async open(
    domains: readonly ForeignTrustDomain[],
    stateDir: string,
    report: Report,
  ): Promise<Federation> {
    const opened = await Promise.all(domains.map((domain) => ForeignDomain.open(domain, stateDir, report)));
    return new Federation(opened);
  }

  private constructor(domains: readonly ForeignDomain[]) {
    this.#domains = domains;
  }

  /** Those that are known, by trust domain. */
  bundles(): ReadonlyMap<string, SpiffeBundle> {
    return new Map(
      this.#domains.flatMap(({ name, bundle }) => (bundle === null ? [] : [[name, bundle] as const])),
    );
  }

  /** When each was had the last time since the start, by trust domain; null for those that were not. */
  *refreshedMs(): Iterable<readonly [string, number | null]> {
    for (const { name, refreshedMs } of this.#domains) yield [name, refreshedMs];
  }

  close(): void {
    for (const domain of this.#domains) domain.close();
  }
}

class ForeignDomain {
  readonly name: string;
  bundle: SpiffeBundle | null = null;
  refreshedMs: number | null = null;
  readonly #source: BundleSource;
  readonly #kept: string;
  readonly #report: Report;
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed = false;

  static async open(
    { trustDomain, source }: ForeignTrustDomain,
    stateDir: string,
    report: Report,
  ): Promise<ForeignDomain> {
    const domain = new ForeignDomain(
      trustDomain,
      source,
      join(stateDir, `foreign-${trustDomain}.json`),
      report,
    );
    // Where nothing is kept, or something damaged, the source has what is needed.
    domain.bundle = await readBundleFile(domain.#kept, trustDomain).catch(() => null);
    await domain.#refresh();
    return domain;
  }

  private constructor(name: string, source: BundleSource, kept: string, report: Report) {
    this.name = name;
    this.#source = source;
    this.#kept = kept;
    this.#report = report;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #refresh(): Promise<void> {
    const { name: trustDomain } = this;
    let delayMs: number = LIMITS.foreignRefreshMs.retry;
    try {
      const bundle = await this.#read();
      this.refreshedMs = Date.now();
      this.#failing = false;
      delayMs = refreshMs(this.#source, bundle);
      if (bundle.rootsPem !== this.bundle?.rootsPem) {
        await replaceFile(this.#kept, JSON.stringify(writeSpiffeBundle(bundle)));
        this.#report({ event: 'foreign_bundle_changed', trustDomain });
      }
      this.bundle = bundle;
    } catch (error) {
      const reason = (error as Error).message;
      if (!this.#failing) this.#report({ event: 'foreign_bundle_not_refreshed', trustDomain, reason });
      this.#failing = true;
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#refresh(), delayMs).unref();
  }

  async #read(): Promise<SpiffeBundle> {
    const source = this.#source;
    if (source.kind === 'file') return readBundleFile(source.file, this.name);
    const text = await fetchText(source.url, await this.#authentication(source));
    return parseBundle(text, this.name, source.url);
  }

  async #authentication(source: Exclude<BundleSource, { kind: 'file' }>): Promise<RequestOptions> {
    const known = this.bundle === null ? [] : [this.bundle.rootsPem];
    if (source.kind === 'https_web') {
      const { rootsFile } = source;
      return rootsFile === null ? {} : { ca: [await readFile(rootsFile, 'utf8'), ...known] };
    }
    const first = known.length > 0 ? known : [(await readBundleFile(source.bundleFile, this.name)).rootsPem];
    return {
      ca: first,
      checkServerIdentity(_host, { ca, subjectaltname }) {
        const id = ca ? null : spiffeIdOf(subjectaltname);
        return id === source.spiffeId
          ? undefined
          : new Error(`the endpoint is ${id}, expected ${source.spiffeId}`);
      },
    };
  }
}

async function readBundleFile(file: string, trustDomain: string): Promise<SpiffeBundle> {
  return parseBundle(await readFile(file, 'utf8'), trustDomain, file);
}

/** `origin` is for errors. */
function parseBundle(text: string, trustDomain: string, origin: string): SpiffeBundle {
  try {
    return readSpiffeBundle(JSON.parse(text), trustDomain);
  } catch (error) {
    throw new Error(`${origin}: ${(error as Error).message}`);
  }
}

function refreshMs({ kind }: BundleSource, { refreshSeconds }: SpiffeBundle): number {
  const { least, most, unless, file } = LIMITS.foreignRefreshMs;
  if (kind === 'file') return file;
  return refreshSeconds === null ? unless : Math.min(Math.max(refreshSeconds * 1_000, least), most);
}

function fetchText(url: string, authentication: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(LIMITS.foreignRequestMs);
    const outgoing = request(
      url,
      { ...authentication, agent: false, minVersion: 'TLSv1.2', signal },
      (response) => {
        readBounded(response, LIMITS.foreignBundleBytes).then((bytes) => {
          if (response.statusCode === 200) resolve(bytes.toString('utf8'));
          else reject(new Error(`${url}: answered ${response.statusCode}`));
        }, reject);
      },
    );
    outgoing.on('error', (error) => reject(new Error(`${url}: ${error.message}`)));
    outgoing.end();
  });
}
