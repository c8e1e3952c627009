/**
 * Tells the local service who called: x-forwarded-for, -proto, -host and, from the handshake alone, x-forwarded-client-cert.
 *
 * Invariants: what an untrusted caller says about itself is replaced. A client certificate is only ever named when mTLS proved it, so
 * the service may believe the field.
 */
import type { Exchange } from '../../core/exchange.ts';
import { CONTINUE, type Filter, type Verdict } from '../../core/filter.ts';
import { fieldId } from '../../protocol/field-names.ts';

const X_FORWARDED_FOR = fieldId('x-forwarded-for');
const X_FORWARDED_PROTO = fieldId('x-forwarded-proto');
const X_FORWARDED_HOST = fieldId('x-forwarded-host');
const X_FORWARDED_CLIENT_CERT = fieldId('x-forwarded-client-cert');
const FORWARDED = fieldId('forwarded');

const FOR_NAME_BYTES = 15;
const PROTO_NAME_BYTES = 17;
const CERT_NAME_BYTES = 23;
const HOST_PREFIX = Buffer.from('x-forwarded-host: ');
const PROTO_HTTP = Buffer.from('x-forwarded-proto: http\r\n');
const PROTO_HTTPS = Buffer.from('x-forwarded-proto: https\r\n');

/** In place of the filter where it is switched off: services that believe the field must not be told by a caller who it is. */
export const clientCertGuard: Filter = {
  name: 'client-cert-guard',
  onRequestHead({ request }: Exchange): Verdict {
    request.drop(X_FORWARDED_CLIENT_CERT);
    return CONTINUE;
  },
};

export class ForwardedFilter implements Filter {
  readonly name = 'forwarded';
  private readonly trustsPeer: boolean;
  private readonly ownIdentity: () => string;
  /** Lines of the caller seen last; callers come back. One that was gone before it was looked at has no address. */
  private lastAddress = '';
  private forLine: Buffer = Buffer.from('x-forwarded-for: unknown\r\n');
  private lastIdentity = '';
  private certLine: Buffer = Buffer.alloc(0);

  constructor(trustsPeer: boolean, ownIdentity: () => string) {
    this.trustsPeer = trustsPeer;
    this.ownIdentity = ownIdentity;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { request, peerAddress, peerIdentity } = exchange;
    if (!this.trustsPeer) {
      request.drop(X_FORWARDED_FOR);
      request.drop(X_FORWARDED_PROTO);
      request.drop(X_FORWARDED_HOST);
      request.drop(FORWARDED);
    }
    // A further line continues the list of those before it (RFC 9110 section 5.3).
    if (peerAddress !== this.lastAddress) this.rememberAddress(peerAddress);
    request.addLine(this.forLine, FOR_NAME_BYTES);
    if (!request.has(X_FORWARDED_PROTO)) {
      request.addLine(peerIdentity === '' ? PROTO_HTTP : PROTO_HTTPS, PROTO_NAME_BYTES);
    }
    if (!request.has(X_FORWARDED_HOST) && request.authorityEnd > request.authorityStart) {
      request.addValue(HOST_PREFIX, request.bytes, request.authorityStart, request.authorityEnd);
    }
    request.drop(X_FORWARDED_CLIENT_CERT);
    if (peerIdentity !== '') {
      if (peerIdentity !== this.lastIdentity) this.rememberIdentity(peerIdentity);
      request.addLine(this.certLine, CERT_NAME_BYTES);
    }
    return CONTINUE;
  }

  private rememberAddress(address: string): void {
    this.lastAddress = address;
    const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
    this.forLine = Buffer.from(`x-forwarded-for: ${plain}\r\n`, 'latin1');
  }

  private rememberIdentity(identity: string): void {
    this.lastIdentity = identity;
    const line = `x-forwarded-client-cert: By=${this.ownIdentity()};URI=${identity}\r\n`;
    this.certLine = Buffer.from(line, 'latin1');
  }
}
