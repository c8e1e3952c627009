// Every case, by theme, in the order of an exchange: from the first byte of the request to what follows the response.
import type { Case } from '../case.ts';
import { bounds } from './bounds.ts';
import { chunked } from './chunked.ts';
import { connection } from './connection.ts';
import { contentLength } from './content-length.ts';
import { expectation } from './expect.ts';
import { headerSyntax } from './header-syntax.ts';
import { host } from './host.ts';
import { methods } from './methods.ts';
import { persistence } from './persistence.ts';
import { pipelining } from './pipelining.ts';
import { requestLine } from './request-line.ts';
import { requestTrailers } from './request-trailers.ts';
import { responseChunked } from './response-chunked.ts';
import { responseFraming } from './response-framing.ts';
import { responseHeaders } from './response-headers.ts';
import { responseInterim } from './response-interim.ts';
import { responseLifecycle } from './response-lifecycle.ts';
import { responseStatusLine } from './response-status-line.ts';
import { smuggling } from './smuggling.ts';
import { smugglingChunks } from './smuggling-chunks.ts';
import { target } from './target.ts';
import { transferEncoding } from './transfer-encoding.ts';
import { upgrade } from './upgrade.ts';

export const themes: Readonly<Record<string, readonly Case[]>> = {
  'request line': requestLine,
  target,
  host,
  methods,
  'header syntax': headerSyntax,
  bounds,
  'content-length': contentLength,
  'transfer-encoding': transferEncoding,
  'chunked body': chunked,
  'request trailers': requestTrailers,
  smuggling,
  'smuggling by chunks': smugglingChunks,
  connection,
  persistence,
  pipelining,
  expectation,
  upgrade,
  'response status line': responseStatusLine,
  'response headers': responseHeaders,
  'response framing': responseFraming,
  'response chunked body': responseChunked,
  'interim responses': responseInterim,
  'response life cycle': responseLifecycle,
};
