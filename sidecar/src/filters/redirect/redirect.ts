/**
 * Answers every request of a rule by sending its caller elsewhere.
 */
import { STATUS_CODES } from 'node:http';
import { answer } from '../../core/course.ts';
import type { Exchange } from '../../core/exchange.ts';
import { type Filter, REPLIED, type Verdict } from '../../core/filter.ts';
import { startResponse } from '../../core/problem.ts';
import { hostOf } from '../../outbound/host-router.ts';
import { BODY_LENGTH, type RequestHead } from '../../protocol/head.ts';
import { NewPath } from '../../routing/path-change.ts';
import type { RedirectConfig } from '../../routing/route-config.ts';

const NO_BODY = Buffer.alloc(0);
const WELL_KNOWN_PORTS = { http: 80, https: 443 } as const;

export class RedirectFilter implements Filter {
  readonly name = 'redirect';
  private readonly config: RedirectConfig;
  private readonly path: NewPath | null;

  constructor(config: RedirectConfig) {
    this.config = config;
    this.path = config.path === null ? null : new NewPath(config.path);
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { statusCode } = this.config;
    const head = startResponse(statusCode, STATUS_CODES[statusCode] ?? 'Redirect');
    head.add('location', this.locate(exchange.request));
    head.add('content-length', '0');
    head.bodyKind = BODY_LENGTH;
    head.contentLength = 0;
    answer(exchange, head, NO_BODY);
    return REPLIED;
  }

  private locate(request: RequestHead): string {
    const { scheme, hostname, port } = this.config;
    const { authority } = request;
    const asked = request.encrypted ? 'https' : 'http';
    const newScheme = scheme ?? asked;
    // A scheme brings its own port along; without one the port stays what it was.
    const newPort = port ?? (scheme === null ? portOf(authority, asked) : WELL_KNOWN_PORTS[scheme]);
    const suffix = newPort === WELL_KNOWN_PORTS[newScheme] ? '' : `:${newPort}`;
    const path = this.path === null ? request.path : this.path.of(request).toString('latin1');
    return `${newScheme}://${hostname ?? hostOf(authority)}${suffix}${path}`;
  }
}

function portOf(authority: string, scheme: 'http' | 'https'): number {
  const [, digits] = /:(\d+)$/.exec(authority) ?? [];
  return digits === undefined ? WELL_KNOWN_PORTS[scheme] : Number(digits);
}
