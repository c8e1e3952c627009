/**
 * An HTTPS server that speaks as much of Kubernetes' API as an authority asks: TokenReview of `authentication.k8s.io/v1`, in the shape that an API server of 1.34 gives its
 * answers. No real one is among the parts of these tests.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Issuer } from './issuer.ts';
import type { ApiServer } from './token-review.ts';

export interface PodToken {
  readonly namespace: string;
  readonly account: string;
  readonly audiences: readonly string[];
  /** Null for a token that is bound to no pod. */
  readonly pod: string | null;
}

export interface ApiServerUnderTest extends ApiServer {
  /** Of each review, what was asked. */
  readonly asked: { readonly token: string; readonly audiences: readonly string[] }[];
  /** What the authority shows; another one is refused. */
  accountToken: string;
  /** Answers with that instead, or not at all. */
  failure: number | 'silence' | null;
  /** As API servers did before they knew audiences. */
  knowsAudiences: boolean;
  /** Of any user, as it stands in the answer. */
  readonly users: Map<string, object>;
  /** A token that is valid from now on. */
  addPod(token: PodToken): string;
  /** Its token is not good any more, as that of a pod that is gone or past its end. */
  removePod(token: string): void;
  close(): void;
}

const ISSUED_AT = 1_767_225_600;
const EXPIRES_AT = 4_070_908_800;
const POD_UID = 'b7a6c7d2-6f5e-4b51-8b2c-0a4f3c9d1e22';
const ACCOUNT_UID = '2c6b7d3c-8f4c-4d5d-9a70-4c2e53bb6f0d';

export async function startApiServer(folder: string, issuer: Issuer): Promise<ApiServerUnderTest> {
  const { certificatePem, keyPem } = await issuer.issueServerCertificate(['127.0.0.1'], 3_600);
  const pods = new Map<string, PodToken>();
  const server = createServer({ cert: certificatePem, key: keyPem }, async (request, response) => {
    const review = (await json(request)) as { spec: { token: string; audiences: string[] } };
    if (running.failure === 'silence') return;
    const isKnown = request.headers.authorization === `Bearer ${running.accountToken}`;
    const isReview =
      request.method === 'POST' && request.url === '/apis/authentication.k8s.io/v1/tokenreviews';
    const status = running.failure ?? (!isReview ? 404 : isKnown ? 201 : 401);
    response.writeHead(status, { 'content-type': 'application/json' });
    if (status !== 201) {
      response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status }));
      return;
    }
    running.asked.push(review.spec);
    response.end(
      JSON.stringify({
        kind: 'TokenReview',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: { creationTimestamp: null },
        spec: review.spec,
        status: answer(review.spec.token, review.spec.audiences),
      }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  function answer(token: string, audiences: readonly string[]): object {
    const user = running.users.get(token);
    if (user !== undefined) return { authenticated: true, user, audiences };
    const pod = pods.get(token);
    if (pod === undefined)
      return { user: {}, error: '[invalid bearer token, square/go-jose: error in cryptographic primitive]' };
    const common = pod.audiences.filter((audience) => audiences.includes(audience));
    if (running.knowsAudiences && common.length === 0) {
      const wanted = JSON.stringify(audiences);
      return {
        user: {},
        error: `[invalid bearer token, token audiences ["${pod.audiences}"] is invalid for the target audiences ${wanted}]`,
      };
    }
    return {
      authenticated: true,
      user: {
        username: `system:serviceaccount:${pod.namespace}:${pod.account}`,
        uid: ACCOUNT_UID,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${pod.namespace}`, 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/credential-id': ['JTI=8d0f7d0e-2d3f-4f10-9d5e-6b0b9f0a5a11'],
          ...(pod.pod !== null && {
            'authentication.kubernetes.io/node-name': ['node-1'],
            'authentication.kubernetes.io/pod-name': [pod.pod],
            'authentication.kubernetes.io/pod-uid': [POD_UID],
          }),
        },
      },
      ...(running.knowsAudiences && { audiences: common }),
    };
  }

  const rootsFile = join(folder, 'api-server-roots.pem');
  const tokenFile = join(folder, 'api-server-token');
  writeFileSync(rootsFile, issuer.trustBundle().rootsPem);
  writeFileSync(tokenFile, 'token of the authority\n');
  const running: ApiServerUnderTest = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rootsFile,
    tokenFile,
    asked: [],
    accountToken: 'token of the authority',
    failure: null,
    knowsAudiences: true,
    users: new Map(),
    addPod(pod) {
      const token = createJwt({
        aud: pod.audiences,
        exp: EXPIRES_AT,
        iat: ISSUED_AT,
        iss: 'https://kubernetes.default.svc.cluster.local',
        jti: crypto.randomUUID(),
        'kubernetes.io': {
          namespace: pod.namespace,
          ...(pod.pod !== null && { pod: { name: pod.pod, uid: POD_UID } }),
          serviceaccount: { name: pod.account, uid: ACCOUNT_UID },
        },
        sub: `system:serviceaccount:${pod.namespace}:${pod.account}`,
      });
      pods.set(token, pod);
      return token;
    },
    removePod(token) {
      pods.delete(token);
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return running;
}

/** Signed by nobody: what a token is worth is for the API server to say. */
export function createJwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', kid: 'test' })}.${part(claims)}.${Buffer.alloc(256, 7).toString('base64url')}`;
}
