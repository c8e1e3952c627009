// Which rule a request finds: paths, methods, fields, parameters, ports, and what goes before what.
import { type GatewayCase, parent, service, V1, V2 } from '../case.ts';

export const MATCHING: readonly GatewayCase[] = [
  {
    name: 'MeshBasic',
    routes: [],
    requests: [{ ask: '/', get: { backend: 'either' } }],
  },
  {
    name: 'MeshTrafficSplit',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: [{ path: { type: 'Exact', value: '/v1' } }], backendRefs: V1 },
          { matches: [{ path: { type: 'Exact', value: '/v2' } }], backendRefs: V2 },
        ],
      },
    ],
    requests: [
      { ask: '/v1', get: { backend: 'v1' } },
      { ask: '/v2', get: { backend: 'v2' } },
      { ask: '/v1/', get: { status: 404 } },
      { ask: '/V1', get: { status: 404 } },
      { ask: '/v3', get: { status: 404 } },
    ],
  },
  {
    name: 'MeshHTTPRouteMatching',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: [
              { path: { type: 'PathPrefix', value: '/' } },
              { headers: [{ name: 'version', value: 'one' }] },
            ],
            backendRefs: V1,
          },
          {
            matches: [
              { path: { type: 'PathPrefix', value: '/v2' } },
              { headers: [{ name: 'version', value: 'two' }] },
            ],
            backendRefs: V2,
          },
        ],
      },
    ],
    requests: [
      { ask: '/', get: { backend: 'v1' } },
      { ask: '/example', get: { backend: 'v1' } },
      { ask: { headers: { Version: 'one' } }, get: { backend: 'v1' } },
      { ask: '/v2', get: { backend: 'v2' } },
      { ask: '/v2/', get: { backend: 'v2' } },
      { ask: '/v2/example', get: { backend: 'v2' } },
      { ask: '/v2?example', get: { backend: 'v2' } },
      // An element of the path is whole or none.
      { ask: '/v2example', get: { backend: 'v1' } },
      { ask: '/foo/v2/example', get: { backend: 'v1' } },
      { ask: { headers: { Version: 'two' } }, get: { backend: 'v2' } },
      { ask: { path: '/v2', headers: { version: 'one' } }, get: { backend: 'v2' } },
    ],
  },
  {
    name: 'HTTPRoutePathMatchOrder',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: [{ path: { type: 'PathPrefix', value: '/match/prefix/one' } }], backendRefs: V1 },
          { matches: [{ path: { type: 'PathPrefix', value: '/match/prefix' } }], backendRefs: V2 },
          { matches: [{ path: { type: 'PathPrefix', value: '/match' } }], backendRefs: V1 },
          { matches: [{ path: { type: 'Exact', value: '/match/exact/one' } }], backendRefs: V2 },
          { matches: [{ path: { type: 'Exact', value: '/match/exact' } }], backendRefs: V1 },
        ],
      },
    ],
    requests: [
      { ask: '/match/exact', get: { backend: 'v1' } },
      { ask: '/match/exact/one', get: { backend: 'v2' } },
      { ask: '/match/exact/one/more', get: { backend: 'v1' } },
      { ask: '/match', get: { backend: 'v1' } },
      { ask: '/match/prefix', get: { backend: 'v2' } },
      { ask: '/match/prefix/one/any', get: { backend: 'v1' } },
      { ask: '/match/any', get: { backend: 'v1' } },
    ],
  },
  {
    name: 'HTTPRouteMethodMatching',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: [{ method: 'POST' }], backendRefs: V1 },
          { matches: [{ method: 'GET' }], backendRefs: V2 },
          { matches: [{ path: { type: 'PathPrefix', value: '/path1' }, method: 'GET' }], backendRefs: V1 },
          { matches: [{ headers: [{ name: 'version', value: 'one' }], method: 'PUT' }], backendRefs: V2 },
          {
            matches: [
              {
                path: { type: 'PathPrefix', value: '/path2' },
                method: 'POST',
                headers: [{ name: 'version', value: 'two' }],
              },
            ],
            backendRefs: V2,
          },
          // The ones that more is said about go first.
          { matches: [{ path: { type: 'PathPrefix', value: '/path3' }, method: 'PATCH' }], backendRefs: V1 },
          { matches: [{ path: { type: 'PathPrefix', value: '/path3' } }], backendRefs: V2 },
          {
            matches: [
              {
                path: { type: 'PathPrefix', value: '/path4' },
                headers: [{ name: 'version', value: 'three' }],
              },
            ],
            backendRefs: V1,
          },
          { matches: [{ path: { type: 'PathPrefix', value: '/path4' }, method: 'GET' }], backendRefs: V2 },
        ],
      },
    ],
    requests: [
      { ask: { method: 'POST' }, get: { backend: 'v1' } },
      { ask: { method: 'GET' }, get: { backend: 'v2' } },
      { ask: { method: 'HEAD' }, get: { status: 404 } },
      { ask: { method: 'GET', path: '/path1' }, get: { backend: 'v1' } },
      { ask: { method: 'PUT', headers: { version: 'one' } }, get: { backend: 'v2' } },
      { ask: { method: 'PUT' }, get: { status: 404 } },
      { ask: { method: 'POST', path: '/path2', headers: { version: 'two' } }, get: { backend: 'v2' } },
      { ask: { method: 'POST', path: '/path2' }, get: { backend: 'v1' } },
      { ask: { method: 'PATCH', path: '/path3' }, get: { backend: 'v1' } },
      { ask: { method: 'DELETE', path: '/path3' }, get: { backend: 'v2' } },
      { ask: { method: 'GET', path: '/path4', headers: { version: 'three' } }, get: { backend: 'v2' } },
      { ask: { method: 'PUT', path: '/path4', headers: { version: 'three' } }, get: { backend: 'v1' } },
    ],
  },
  {
    name: 'HTTPRouteHeaderMatching',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: [{ headers: [{ name: 'version', value: 'one' }] }], backendRefs: V1 },
          { matches: [{ headers: [{ name: 'version', value: 'two' }] }], backendRefs: V2 },
          {
            matches: [
              {
                headers: [
                  { name: 'version', value: 'two' },
                  { name: 'color', value: 'orange' },
                ],
              },
            ],
            backendRefs: V1,
          },
          {
            matches: [
              { headers: [{ name: 'color', value: 'blue' }] },
              { headers: [{ name: 'color', value: 'green' }] },
            ],
            backendRefs: V1,
          },
          {
            matches: [
              { headers: [{ name: 'color', value: 'red' }] },
              { headers: [{ name: 'color', value: 'yellow' }] },
            ],
            backendRefs: V2,
          },
        ],
      },
    ],
    requests: [
      { ask: { headers: { version: 'one' } }, get: { backend: 'v1' } },
      { ask: { headers: { VERSION: 'two' } }, get: { backend: 'v2' } },
      { ask: { headers: { version: 'two', color: 'orange' } }, get: { backend: 'v1' } },
      { ask: { headers: { version: 'One' } }, get: { status: 404 } },
      { ask: { headers: { color: 'orange' } }, get: { status: 404 } },
      { ask: { headers: { 'some-other': 'one' } }, get: { status: 404 } },
      { ask: { headers: { color: 'blue' } }, get: { backend: 'v1' } },
      { ask: { headers: { color: 'green' } }, get: { backend: 'v1' } },
      { ask: { headers: { color: 'red' } }, get: { backend: 'v2' } },
      { ask: { headers: { color: 'yellow' } }, get: { backend: 'v2' } },
      { ask: { headers: { color: 'purple' } }, get: { status: 404 } },
    ],
  },
  {
    name: 'MeshHTTPRouteQueryParamMatching',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: [{ queryParams: [{ name: 'animal', value: 'whale' }] }], backendRefs: V1 },
          { matches: [{ queryParams: [{ name: 'animal', value: 'dolphin' }] }], backendRefs: V2 },
          {
            matches: [
              {
                queryParams: [
                  { name: 'animal', value: 'dolphin' },
                  { name: 'color', value: 'blue' },
                ],
              },
            ],
            backendRefs: V1,
          },
          { matches: [{ queryParams: [{ name: 'ANIMAL', value: 'Whale' }] }], backendRefs: V2 },
          // A path that is longer, a field more, a parameter more.
          {
            matches: [
              {
                path: { type: 'PathPrefix', value: '/path1' },
                queryParams: [{ name: 'animal', value: 'whale' }],
              },
            ],
            backendRefs: V2,
          },
          {
            matches: [
              {
                headers: [{ name: 'version', value: 'one' }],
                queryParams: [{ name: 'animal', value: 'whale' }],
              },
            ],
            backendRefs: V2,
          },
          {
            matches: [{ queryParams: [{ name: 'a b', type: 'RegularExpression', value: 'x|y z' }] }],
            backendRefs: V2,
          },
        ],
      },
    ],
    requests: [
      { ask: '/?animal=whale', get: { backend: 'v1' } },
      { ask: '/?animal=dolphin', get: { backend: 'v2' } },
      { ask: '/?animal=dolphin&color=blue', get: { backend: 'v1' } },
      { ask: '/?color=blue&animal=dolphin&z=1', get: { backend: 'v1' } },
      { ask: '/?ANIMAL=Whale', get: { backend: 'v2' } },
      { ask: '/?animal=wh%61le', get: { backend: 'v1' } },
      { ask: '/?animal=whale&animal=dolphin', get: { backend: 'v1' } },
      { ask: '/?animal=dog', get: { status: 404 } },
      { ask: '/?animal', get: { status: 404 } },
      { ask: '/', get: { status: 404 } },
      { ask: '/path1?animal=whale', get: { backend: 'v2' } },
      { ask: { path: '/?animal=whale', headers: { version: 'one' } }, get: { backend: 'v2' } },
      { ask: '/?a%20b=y%20z', get: { backend: 'v2' } },
    ],
  },
  {
    name: 'HTTPRouteMatchingAcrossRoutes',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: [
              { path: { type: 'PathPrefix', value: '/' } },
              { headers: [{ name: 'version', value: 'one' }] },
            ],
            backendRefs: V1,
          },
        ],
      },
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: [
              { path: { type: 'PathPrefix', value: '/v2' } },
              { headers: [{ name: 'version', value: 'two' }] },
            ],
            backendRefs: V2,
          },
          // The same as in the route whose name comes first.
          { matches: [{ headers: [{ name: 'version', value: 'one' }] }], backendRefs: V2 },
        ],
      },
    ],
    requests: [
      { ask: '/', get: { backend: 'v1' } },
      { ask: '/v2', get: { backend: 'v2' } },
      { ask: { headers: { version: 'two' } }, get: { backend: 'v2' } },
      { ask: { headers: { version: 'one' } }, get: { backend: 'v1' } },
    ],
  },
  {
    name: 'regular expressions (implementation-specific upstream)',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: [{ path: { type: 'RegularExpression', value: '/users/[0-9]+(/.*)?' } }],
            backendRefs: V1,
          },
          { matches: [{ path: { type: 'PathPrefix', value: '/users' } }], backendRefs: V2 },
          {
            matches: [
              { headers: [{ name: 'version', type: 'RegularExpression', value: 'v[12](\\.[0-9]+)?' }] },
            ],
            backendRefs: V1,
          },
        ],
      },
    ],
    requests: [
      { ask: '/users/17', get: { backend: 'v1' } },
      { ask: '/users/17/orders?x=1', get: { backend: 'v1' } },
      { ask: '/users/me', get: { backend: 'v2' } },
      { ask: '/users/17x', get: { backend: 'v2' } },
      { ask: { headers: { version: 'v2.11' } }, get: { backend: 'v1' } },
      { ask: { headers: { version: 'v2.' } }, get: { status: 404 } },
    ],
  },
  {
    name: 'MeshPorts',
    routes: [
      {
        parentRefs: [parent('echo', { port: 80 })],
        rules: [
          {
            filters: [
              {
                type: 'ResponseHeaderModifier',
                responseHeaderModifier: { set: [{ name: 'x-header-set', value: 'v1' }] },
              },
            ],
            backendRefs: V1,
          },
        ],
      },
    ],
    requests: [
      { ask: '/', get: { backend: 'v1', returns: { 'x-header-set': 'v1' } } },
      { ask: { host: 'echo:80' }, get: { backend: 'v1', returns: { 'x-header-set': 'v1' } } },
      { ask: { host: 'echo:8080' }, get: { backend: 'either', returns: { 'x-header-set': null } } },
    ],
  },
  {
    name: 'MeshFrontend',
    routes: [
      {
        parentRefs: [parent('echo-v2')],
        hostnames: ['of.no.consequence'],
        rules: [
          {
            filters: [
              {
                type: 'ResponseHeaderModifier',
                responseHeaderModifier: { set: [{ name: 'x-header-set', value: 'set' }] },
              },
            ],
            backendRefs: V2,
          },
        ],
      },
    ],
    requests: [
      { ask: { host: 'echo-v2' }, get: { backend: 'v2', returns: { 'x-header-set': 'set' } } },
      { ask: { host: 'echo' }, get: { returns: { 'x-header-set': null } } },
    ],
  },
  {
    name: 'HTTPRouteInvalidBackendRefUnknown',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: [{ path: { value: '/gone' } }], backendRefs: [service('gone')] },
          { matches: [{ path: { value: '/nothing' } }] },
          { matches: [{ path: { value: '/weightless' } }], backendRefs: [service('echo-v1', { weight: 0 })] },
        ],
      },
    ],
    requests: [
      { ask: '/gone', get: { status: 500 } },
      { ask: '/nothing', get: { status: 500 } },
      { ask: '/weightless', get: { status: 500 } },
    ],
  },
];
