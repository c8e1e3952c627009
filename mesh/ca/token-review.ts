/**
 * Asks the API server of Kubernetes what a service-account token is worth: `authentication.k8s.io/v1` TokenReview.
 *
 * Invariants: a call ends within `tokenReviewMs`. The authority's own token is read anew each time, since the kubelet replaces it; after a call that got no answer the
 * client is made anew, with the roots that are in their file by then. Throws when the API server did not answer the question.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  ApiException,
  AuthenticationV1Api,
  createConfiguration,
  type RequestContext,
  ServerConfiguration,
  type V1TokenReviewStatus,
} from '@kubernetes/client-node';
import { Agent } from 'undici';
import { LIMITS } from './limits.ts';

/** With absolute paths. */
export interface ApiServer {
  readonly url: string;
  readonly rootsFile: string;
  /** Of an account that may create TokenReviews (`system:auth-delegator`). */
  readonly tokenFile: string;
}

export type ReviewToken = (token: string, audience: string) => Promise<V1TokenReviewStatus>;

export function createTokenReview(server: ApiServer): ReviewToken {
  let client: Client | null = null;
  return async (token, audience) => {
    client ??= connect(server);
    const used = client;
    try {
      const { status } = await used.api.createTokenReview({
        body: { spec: { token, audiences: [audience] } },
      });
      if (status === undefined) throw new Error('there is no status in the answer');
      return status;
    } catch (error) {
      if (error instanceof ApiException) throw new Error(`the API server answered ${error.code}`);
      if (client === used) client = null;
      void used.agent.close();
      throw new Error(`the API server did not answer: ${reasonOf(error)}`);
    }
  };
}

interface Client {
  readonly api: AuthenticationV1Api;
  readonly agent: Agent;
}

function connect({ url, rootsFile, tokenFile }: ApiServer): Client {
  const agent = new Agent({
    connections: LIMITS.apiServerConnections,
    connect: { ca: readFileSync(rootsFile, 'utf8'), timeout: LIMITS.tokenReviewMs },
  });
  const authorisation = {
    getName: () => 'authority',
    async applySecurityAuthentication(context: RequestContext): Promise<void> {
      context.setHeaderParam('Authorization', `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`);
      context.setSignal(AbortSignal.timeout(LIMITS.tokenReviewMs));
      context.setDispatcher(agent);
    },
  };
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(url, {}),
    authMethods: { default: authorisation },
  });
  return { api: new AuthenticationV1Api(configuration), agent };
}

/** The cause says more than "fetch failed", and neither holds a token. */
function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  if (name === 'TimeoutError') return `not within ${LIMITS.tokenReviewMs} ms`;
  return cause?.code ?? cause?.message ?? message;
}
