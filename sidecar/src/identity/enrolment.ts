/**
 * Proves to the authority who this sidecar is. In a pod by the service-account token, each time, since the kubelet keeps that fresh and Kubernetes ends it with the pod;
 * elsewhere by a join token the first time, and by the SVID from then on.
 *
 * Invariants: a join token is spent once. While the answer is outstanding the key stays the same, since the authority repeats a lost answer for the
 * same key alone; each new SVID has a new key. A token is looked at again only when there is no SVID to renew, or the authority
 * refuses to renew it, which is how a person brings a lost workload back. Files are read anew each time.
 */
import { readFile } from 'node:fs/promises';
import type { AuthorityIdentity } from '../config/schema.ts';
import { askAuthority, fetchBundle, type Proof } from './authority-client.ts';
import { createKeyAndCsr, type KeyAndCsr } from './csr.ts';
import type { Identity, IdentityDeps } from './identity.ts';
import type { LiveSvid } from './live-svid.ts';
import { type ObtainSvid, PermanentFailure, startRotation } from './rotate.ts';
import { readSvid, type Svid } from './svid.ts';
import { loadSvid, storeSvid } from './svid-state.ts';
import { type FetchTrust, followTrust } from './trust-refresh.ts';

export async function startEnrolment(
  source: AuthorityIdentity,
  trustDomain: string,
  deps: IdentityDeps,
): Promise<Identity> {
  const { stateDir, foreignTrustDomains } = source;
  const stored = stateDir === null ? null : await loadSvid(stateDir, trustDomain, foreignTrustDomains, deps);
  const live = await startRotation(createEnrolment(source, trustDomain, deps), deps, stored);
  const keep = stateDir === null ? async () => {} : keepInStep(live, stateDir, deps);
  if (stored === null) await keep();
  live.onRotated(() => void keep());
  const fetchTrust: FetchTrust = async (signal) =>
    fetchBundle(source.url, await rootsOf(source, live.svid), trustDomain, deps.clock, signal);
  const firstAnswer = followTrust(live, fetchTrust, foreignTrustDomains, deps);
  // Nobody is let in before it is known who is denied. What was stored knows that from before.
  if (stored === null) await firstAnswer;
  return live;
}

/** Of writes that come together the last one has what is newest: with the SVID goes what is trusted by then. */
function keepInStep(live: LiveSvid, stateDir: string, { report }: IdentityDeps): () => Promise<void> {
  let writing = Promise.resolve();
  return () => {
    writing = writing
      .then(() => storeSvid(stateDir, live.svid))
      .catch((error: Error) => report({ kind: 'state_not_kept', reason: error.message }));
    return writing;
  };
}

export function createEnrolment(
  source: AuthorityIdentity,
  trustDomain: string,
  { clock }: Pick<IdentityDeps, 'clock'>,
): ObtainSvid {
  let pending: KeyAndCsr | null = null;
  return async (signal, current) => {
    pending ??= await createKeyAndCsr();
    const { keyPem, csrPem } = pending;
    const roots = await rootsOf(source, current);
    const ask = async (proof: Proof): Promise<Svid> => {
      const question = { url: source.url, roots, proof, csrPem };
      const { certificates: certificatePem, roots: rootsPem } = await askAuthority(question, clock, signal);
      return readSvid({ certificatePem, keyPem, rootsPem }, trustDomain);
    };
    const { evidence } = source;
    const renews = evidence.kind === 'join-token' && current !== null && current.notAfterMs > clock.nowMs();
    const svid = renews ? await renew(ask, current, evidence) : await ask(await readToken(evidence));
    pending = null;
    return svid;
  };
}

/** Of the authority itself. A root that replaces the one in the file came with the SVID. */
async function rootsOf({ rootsFile }: AuthorityIdentity, current: Svid | null): Promise<readonly string[]> {
  const inFile = await readText(rootsFile);
  return current === null ? [inFile] : [inFile, current.rootsPem];
}

type Evidence = AuthorityIdentity['evidence'];

async function renew(ask: (proof: Proof) => Promise<Svid>, svid: Svid, evidence: Evidence): Promise<Svid> {
  try {
    return await ask({ kind: 'renewal', svid });
  } catch (refusal) {
    if (!(refusal instanceof PermanentFailure)) throw refusal;
    const token = await readToken(evidence).catch(() => null);
    if (token === null) throw refusal;
    return ask(token).catch((error: Error) => {
      throw new PermanentFailure(`${refusal.message}; and for the token: ${error.message}`);
    });
  }
}

async function readToken({ kind, file }: Evidence): Promise<Proof> {
  const hint = kind === 'join-token' ? '; without an SVID to renew it takes a new join token' : '';
  const token = (await readText(file, hint)).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return { kind, token };
  throw new PermanentFailure(`${file}: must hold one token and nothing else`);
}

async function readText(path: string, hint = ''): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new PermanentFailure(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})${hint}`);
  }
}
