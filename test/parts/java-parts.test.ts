import { expect, test, vi } from 'vitest';
import { findInMaven } from './maven.ts';
import { startMongoWire } from './mongo-wire.ts';

test.skipIf(process.env.MONGO_URL)('a started MongoDB wire server is gone after stop', async () => {
  const mongo = await startMongoWire();
  await mongo.stop();
  expect(() => process.kill(mongo.pid as number, 0)).toThrow(/ESRCH/);
});

test('an artifact that cannot be had is an error that names the part and what to do', async () => {
  vi.stubEnv('PATH', '');
  const absent = findInMaven({ part: 'Frobnicator', artifacts: ['org.example:frobnicator:1.0'] });
  await expect(absent).rejects.toThrow(
    /Frobnicator is missing.*org.example:frobnicator:1.0.*mvn.*try again/s,
  );
  vi.unstubAllEnvs();
});
