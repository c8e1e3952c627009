import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAuthority } from '../../mesh/ca/authority.ts';
import { startOpenBao } from './openbao.ts';

test('a started OpenBao keeps secrets, refuses while it is sealed, has them again afterwards, and is gone after stop', async () => {
  const openBao = await startOpenBao();
  try {
    await openBao.call('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    await openBao.call('POST', 'secret/data/a', { data: { b: 'c' } });
    await openBao.seal();
    await expect(openBao.call('GET', 'secret/data/a')).rejects.toThrow(/503.*sealed/s);
    await openBao.unseal();
    expect(await openBao.call('GET', 'secret/data/a')).toMatchObject({ data: { data: { b: 'c' } } });
    await expect(openBao.call('GET', 'secret/data/a', undefined, 'wrong')).rejects.toThrow('403');
  } finally {
    await openBao.stop();
  }
  expect(() => process.kill(openBao.pid, 0)).toThrow(/ESRCH/);
});

test('one that was killed has a successor with its storage', async () => {
  const storage = await mkdtemp(join(tmpdir(), 'tulle-openbao-storage-'));
  try {
    const killed = await startOpenBao({ storage });
    await killed.call('POST', 'sys/mounts/secret', { type: 'kv' });
    await killed.call('POST', 'secret/a', { b: 'c' });
    process.kill(killed.pid, 'SIGKILL');
    await killed.stop();
    const successor = await startOpenBao({ storage, port: killed.port, keys: killed.keys });
    expect(await successor.call('GET', 'secret/a')).toMatchObject({ data: { b: 'c' } });
    await successor.stop();
  } finally {
    await rm(storage, { recursive: true });
  }
});

test('it starts without being initialised where that is asked for, and speaks TLS', async () => {
  const authority = await createAuthority({ trustDomain: 'a.test' });
  const { certificatePem, keyPem } = await authority.issueServerCertificate(['127.0.0.1'], 60);
  const tls = { certificate: certificatePem, key: keyPem, roots: authority.trustBundle().rootsPem };
  const openBao = await startOpenBao({ uninitialised: true, tls });
  try {
    expect(await openBao.call('GET', 'sys/seal-status')).toMatchObject({ initialized: false, sealed: true });
    await openBao.initialise();
    expect(await openBao.call('GET', 'sys/health')).toMatchObject({ initialized: true, sealed: false });
  } finally {
    await openBao.stop();
  }
});
