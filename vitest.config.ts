import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{sidecar,mesh,services,test,examples,deploy,alerts,dashboards}/**/*.test.ts'],
    // Real servers and real sockets: generous ceilings, two workers on the two-core machines CI uses.
    testTimeout: 30_000,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
