// testssl.sh (GPL-2.0, run as a program of its own): asks a TLS server everything that a scanner asks. From PATH, else from Debian's packages.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findInDebian, findOnPath } from './install.ts';

/** One answer of the scan; `severity` is OK or INFO where nothing is wrong. */
export interface Finding {
  id: string;
  severity: string;
  finding: string;
}

const SCAN_TIMEOUT_MS = 170_000;
/** Protocols, suites, forward secrecy, preferences, certificate, and all known vulnerabilities. */
const CHECKS = ['-p', '-s', '-f', '-P', '-S', '-U'];

const SCANS = 3;

/** Scans a server on loopback. `rootsFile`: whom its certificate's chain may end in, PEM. */
export async function scanTls(port: number, rootsFile: string): Promise<Finding[]> {
  for (let tries = 1; ; tries++) {
    const findings = await scanOnce(port, rootsFile);
    // On a busy machine its openssl may be too slow for it; then it has not asked.
    const unasked = findings.some(({ finding }) => finding.includes('because of connect problem'));
    if (!unasked || tries === SCANS) return findings;
  }
}

async function scanOnce(port: number, rootsFile: string): Promise<Finding[]> {
  const { command, env } = await findInDebian({
    part: 'testssl.sh',
    package: 'testssl.sh',
    program: 'testssl',
  });
  const openssl = await findOnPath('openssl');
  if (openssl === null)
    throw new Error('openssl is missing, which testssl.sh needs: install the package openssl');
  const folder = await mkdtemp(join(tmpdir(), 'tulle-testssl-'));
  const report = join(folder, 'report.json');
  const data = join(dirname(command), '../../etc/testssl');
  const quiet = ['--quiet', '--color', '0', '--warnings', 'off', '--nodns', 'none', '--ip', '127.0.0.1'];
  const files = ['--openssl', openssl, '--add-ca', rootsFile, '--jsonfile', report];
  try {
    // Its exit code counts what it does not like, and some of that is meant to be: the report is what counts.
    await promisify(execFile)(command, [...quiet, ...files, ...CHECKS, `localhost:${port}`], {
      cwd: folder,
      env: {
        ...process.env,
        ...env,
        PATH: [dirname(command), process.env.PATH].join(delimiter),
        ...(existsSync(data) && { TESTSSL_INSTALL_DIR: data }),
      },
      timeout: SCAN_TIMEOUT_MS,
    }).catch((error: Error) => {
      if (!existsSync(report)) throw error;
    });
    return JSON.parse(await readFile(report, 'utf8')) as Finding[];
  } finally {
    await rm(folder, { recursive: true });
  }
}
