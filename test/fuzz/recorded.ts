// Sessions of real clients with real servers, recorded by record.ts: one list of chunks for each connection.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Chunk } from './mutation.ts';

type Stored = [from: 'c' | 's', base64: string][][];

export function readSessions(name: string): Chunk[][] {
  const stored = JSON.parse(gunzipSync(readFileSync(pathOf(name))).toString()) as Stored;
  return stored.map((session) =>
    session.map(([from, bytes]) => ({
      from: from === 'c' ? 'client' : 'server',
      bytes: new Uint8Array(Buffer.from(bytes, 'base64')),
    })),
  );
}

export function writeSessions(name: string, sessions: readonly (readonly Chunk[])[]): void {
  const stored: Stored = sessions.map((session) =>
    session.map(({ from, bytes }) => [from === 'client' ? 'c' : 's', Buffer.from(bytes).toString('base64')]),
  );
  writeFileSync(pathOf(name), gzipSync(JSON.stringify(stored), { level: 9 }));
}

function pathOf(name: string): string {
  return join(import.meta.dirname, 'sessions', `${name}.json.gz`);
}
