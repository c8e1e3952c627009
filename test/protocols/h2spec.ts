// Runs h2spec, the conformance suite for HTTP/2 servers, in strict mode, and reads its report.
//
// Invariant: a run that did not come to its end is an error, not a list of fewer verdicts.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findGoTool } from '../parts/go-tools.ts';

export interface Verdict {
  /** Section and title, as h2spec names it: `http2/6.7: Sends a PING frame`. */
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  /** Of a failure: what was expected, and in the last line what came. */
  detail: string;
}

/** Cases of the whole suite in strict mode. */
export const H2SPEC_CASES = 146;

const CASE_TIMEOUT_S = 2;
const RUN_TIMEOUT_MS = 400_000;
const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', '#34': '"', '#39': "'", '#xA': '\n' };

/**
 * Runs all sections, or those named (`hpack`, `http2/6.7`), against a server of HTTP/2 in clear text, known to speak it (prior
 * knowledge), which must answer `/` with a body.
 */
export async function runH2spec(port: number, sections: string[] = []): Promise<Verdict[]> {
  const command = await findGoTool('h2spec');
  const folder = await mkdtemp(join(tmpdir(), 'tulle-h2spec-'));
  const report = join(folder, 'report.xml');
  const args = [...sections, '--strict', '-h', '127.0.0.1', '-p', String(port), '-j', report];
  try {
    // It exits with 1 when a case fails, which the report says better.
    const { output } = await promisify(execFile)(command, [...args, '-o', String(CASE_TIMEOUT_S)], {
      timeout: RUN_TIMEOUT_MS,
    }).then(
      ({ stdout }) => ({ output: stdout }),
      (error: Error & { stdout?: string }) => ({ output: `${error.message}\n${error.stdout ?? ''}` }),
    );
    const xml = await readFile(report, 'utf8').catch(() => '');
    if (!xml.includes('</testsuites>')) throw new Error(`h2spec made no report. Its output:\n${output}`);
    return readVerdicts(xml);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The report is JUnit's XML, one element a case. */
export function readVerdicts(xml: string): Verdict[] {
  const cases = xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs);
  return Array.from(cases, ([, section = '', title = '', body = '']) => ({
    name: decodeEntities(`${section}: ${title}`),
    outcome: body.includes('<skipped>') ? 'skipped' : /<(error|failure)/.test(body) ? 'failed' : 'passed',
    detail: decodeEntities(body.replaceAll(/<[^>]*>/g, '').trim()),
  }));
}

function decodeEntities(text: string): string {
  return text.replaceAll(/&(#?\w+);/g, (entity, name: string) => ENTITIES[name] ?? entity);
}
