// Python packages for tests of services in Python: a folder for PYTHONPATH, with the programs in its `bin`.
//
// Invariants: every package is pinned, those that others need too, so that nothing is resolved; wheels alone, so that nothing is built or run.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CACHE, installOnce, reasonOf } from './install.ts';

const INSTALL_TIMEOUT_MS = 300_000;

/** Flask, requests, and what OpenTelemetry has to instrument both. */
const FLASK = [
  ...['flask==3.1.3', 'werkzeug==3.1.9', 'jinja2==3.1.6', 'markupsafe==3.0.4', 'click==8.5.1'],
  ...['itsdangerous==2.2.0', 'blinker==1.9.0'],
  ...['requests==2.34.2', 'urllib3==2.8.0', 'idna==3.20', 'charset-normalizer==3.5.2'],
  'certifi==2026.10.19.post1',
  ...['opentelemetry-api==1.45.1', 'opentelemetry-sdk==1.45.1', 'opentelemetry-proto==1.45.1'],
  ...[
    'opentelemetry-distro==0.66b1',
    'opentelemetry-instrumentation==0.66b1',
    'opentelemetry-instrumentation-flask==0.66b1',
    'opentelemetry-instrumentation-requests==0.66b1',
    'opentelemetry-instrumentation-wsgi==0.66b1',
    'opentelemetry-semantic-conventions==0.66b1',
    'opentelemetry-util-http==0.66b1',
    'opentelemetry-exporter-otlp-common==0.66b1',
    'opentelemetry-exporter-otlp-proto-common==1.45.1',
    'opentelemetry-exporter-otlp-proto-grpc==1.45.1',
  ],
  ...['grpcio==1.85.3', 'protobuf==7.36.2', 'googleapis-common-protos==1.76.0'],
  ...['wrapt==2.5.2', 'packaging==26.3', 'typing-extensions==4.16.0'],
];

export async function findFlask(): Promise<string> {
  const folder = join(CACHE, 'python-flask-3.1.3-opentelemetry-0.66b1');
  try {
    await installOnce(folder, async (target) => {
      const how = ['--no-deps', '--only-binary=:all:', '--no-compile', '--target', target];
      const options = { timeout: INSTALL_TIMEOUT_MS };
      await promisify(execFile)('python3', ['-m', 'pip', 'install', ...how, ...FLASK], options);
    });
  } catch (error) {
    throw new Error(
      `Flask is missing and could not be installed: it needs python3 (3.10 or newer) with pip and access to a package index. ${reasonOf(error)}`,
    );
  }
  return folder;
}
