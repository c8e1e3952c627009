import { expect, test } from 'vitest';
import { startEnvoy } from './envoy.ts';

const directResponse = {
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'test',
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              direct_response: { status: 200, body: { inline_string: 'from envoy' } },
            },
          ],
        },
      ],
    },
  },
};

test('a started Envoy is ready on its admin and serves the configured listener', async () => {
  const envoy = await startEnvoy({
    config: {
      static_resources: {
        listeners: [
          {
            name: 'web',
            address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
            filter_chains: [{ filters: [directResponse] }],
          },
        ],
      },
    },
  });
  try {
    const ready = await fetch(`http://127.0.0.1:${envoy.adminPort}/ready`);
    expect((await ready.text()).trim()).toBe('LIVE');
    const answer = await fetch(`http://127.0.0.1:${envoy.ports.web}/`);
    expect(await answer.text()).toBe('from envoy');
  } finally {
    await envoy.stop();
  }
  expect(() => process.kill(envoy.pid, 0)).toThrow(/ESRCH/);
});

test('a config that Envoy refuses is an error with its own words', async () => {
  await expect(startEnvoy({ config: { no_such_field: 1 } })).rejects.toThrow(/envoy exited.*no_such_field/s);
});
