// A worker behind sidecars with access policies, and callers of the same authority.
import { readFile, writeFile } from 'node:fs/promises';
import type { Authority } from '../../mesh/ca/authority.ts';
import { issueSvid } from '../../mesh/ca/issue-svid.ts';
import { type Sidecar, startSidecar } from '../../sidecar/src/app.ts';
import { Caller, startWorker, type Worker } from './access-fixture.ts';
import { CarelessAuthority } from './intruder-fixture.ts';
import {
  createFolder,
  type Folder,
  openAuthority,
  sidecarConfig,
  spiffeId,
  writeIdentity,
} from './mesh-fixture.ts';

export const API = spiffeId('api');
export const ONLY_API = [{ name: 'api', action: 'allow', from: { identities: [API] } }];

export interface Guard {
  /** Without rules there is no policy. */
  readonly rules?: readonly object[];
  readonly mode?: string;
  readonly mtls?: string;
  readonly spec?: Record<string, unknown>;
  /** Specs of further policies of the service, by kind. */
  readonly policies?: Readonly<Record<string, object>>;
}

export interface GuardedSidecar extends Sidecar {
  reguard(next: Guard): Promise<void>;
}

export class GuardedWorker {
  readonly folder: Folder;
  readonly authority: Authority;
  /** Trusted like the other, and not worth it. */
  readonly careless: CarelessAuthority;
  readonly worker: Worker;
  private readonly sidecars: Sidecar[] = [];

  private constructor(folder: Folder, authority: Authority, careless: CarelessAuthority, worker: Worker) {
    this.folder = folder;
    this.authority = authority;
    this.careless = careless;
    this.worker = worker;
  }

  static async start(): Promise<GuardedWorker> {
    const authorities = [await openAuthority(), await CarelessAuthority.open()] as const;
    return new GuardedWorker(await createFolder(), ...authorities, await startWorker());
  }

  async close(): Promise<void> {
    await Promise.all(this.sidecars.map((sidecar) => sidecar.drain()));
    await this.worker.close();
    await this.folder.remove();
  }

  /** With an inbound entry for each protocol, named after it, and `auto`. */
  async guard(name: string, guard: Guard): Promise<GuardedSidecar> {
    const identity = await writeIdentity(this.folder, this.authority, { spiffeId: spiffeId('worker') });
    await this.folder.write(
      'worker-roots.pem',
      `${this.authority.trustBundle().rootsPem}${this.careless.rootPem}`,
    );
    const configPath = await this.folder.write(`${name}.yaml`, this.configText(name, identity, guard));
    const sidecar = await startSidecar({ configPath });
    this.sidecars.push(sidecar);
    return {
      ...sidecar,
      reguard: async (next) => {
        await writeFile(configPath, this.configText(name, identity, next));
        await sidecar.reload();
      },
    };
  }

  async caller(service: string, request: { validFromMs?: number } = {}): Promise<Caller> {
    return new Caller(await issueSvid(this.authority, { spiffeId: spiffeId(service), ...request }));
  }

  /** The access log of the sidecar with this name. */
  async readLog(name: string): Promise<Record<string, unknown>[]> {
    const text = await readFile(`${this.folder.path}/${name}.log`, 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  private configText(
    name: string,
    identity: Record<string, unknown>,
    { rules, mode, mtls, spec = {}, policies = {} }: Guard,
  ): string {
    const { origin, grpcPort, tcp } = this.worker;
    const inbound = [
      { name: 'http1', target: `127.0.0.1:${origin.port}` },
      { name: 'http2', target: `127.0.0.1:${origin.port}` },
      { name: 'grpc', target: `127.0.0.1:${grpcPort}`, protocol: 'grpc' },
      { name: 'tcp', target: `127.0.0.1:${tcp.port}`, protocol: 'tcp' },
      { name: 'auto', target: `127.0.0.1:${tcp.port}` },
    ].map((entry) => ({ listen: '127.0.0.1:0', mtls, ...entry }));
    const documents = [
      sidecarConfig('worker', {
        ...{ identity, inbound, timeouts: { drainMs: 500, headMs: 500, connectMs: 300 } },
        ...{ telemetry: { accessLog: `./${name}.log` }, ...spec },
      }),
    ];
    const attached = rules === undefined ? policies : { AccessPolicy: { mode, rules }, ...policies };
    for (const [kind, content] of Object.entries(attached)) {
      const targetRefs = [{ kind: 'Service', name: 'worker' }];
      const metadata = { name: 'worker' };
      documents.push(
        JSON.stringify({
          ...{ apiVersion: 'mesh.tulle.dev/v1alpha1', kind, metadata },
          spec: { targetRefs, ...content },
        }),
      );
    }
    return documents.join('\n---\n');
  }
}

export function portOf(sidecar: Sidecar, entry: string): number {
  return sidecar.inboundPorts[entry] as number;
}
