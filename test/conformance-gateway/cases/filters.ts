// What rules do to requests and answers on their way.
import { type GatewayCase, parent, service, V1, V2 } from '../case.ts';

const requestHeaders = (requestHeaderModifier: Record<string, unknown>) => ({
  type: 'RequestHeaderModifier',
  requestHeaderModifier,
});
const responseHeaders = (responseHeaderModifier: Record<string, unknown>) => ({
  type: 'ResponseHeaderModifier',
  responseHeaderModifier,
});
const rewrite = (urlRewrite: Record<string, unknown>) => ({ type: 'URLRewrite', urlRewrite });
const redirect = (requestRedirect: Record<string, unknown>) => ({ type: 'RequestRedirect', requestRedirect });
const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }];
const full = (replaceFullPath: string) => ({ type: 'ReplaceFullPath', replaceFullPath });
const replaced = (replacePrefixMatch: string) => ({ type: 'ReplacePrefixMatch', replacePrefixMatch });

export const FILTERS: readonly GatewayCase[] = [
  {
    name: 'MeshHTTPRouteRequestHeaderModifier',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: prefix('/set'),
            filters: [requestHeaders({ set: [{ name: 'X-Header-Set', value: 'set-overwrites-values' }] })],
            backendRefs: V1,
          },
          {
            matches: prefix('/add'),
            filters: [requestHeaders({ add: [{ name: 'X-Header-Add', value: 'add-appends-values' }] })],
            backendRefs: V1,
          },
          {
            matches: prefix('/remove'),
            filters: [requestHeaders({ remove: ['X-Header-Remove'] })],
            backendRefs: V1,
          },
          {
            matches: prefix('/multiple'),
            filters: [
              requestHeaders({
                set: [
                  { name: 'X-Header-Set-1', value: 'header-set-1' },
                  { name: 'User-Agent', value: 'mesh' },
                ],
                add: [
                  { name: 'X-Header-Add-1', value: 'header-add-1' },
                  { name: 'X-Header-Add-2', value: 'header-add-2' },
                ],
                remove: ['X-Header-Remove-1', 'Authorization'],
              }),
            ],
            backendRefs: V1,
          },
        ],
      },
    ],
    requests: [
      {
        ask: { path: '/set', headers: { 'some-other': 'one' } },
        get: { sees: { 'some-other': 'one', 'x-header-set': 'set-overwrites-values' } },
      },
      {
        ask: { path: '/set', headers: { 'x-header-set': 'some-other-value' } },
        get: { sees: { 'x-header-set': 'set-overwrites-values' } },
      },
      { ask: '/add', get: { sees: { 'x-header-add': 'add-appends-values' } } },
      {
        ask: { path: '/add', headers: { 'X-Header-Add': 'some-other-value' } },
        get: { sees: { 'x-header-add': 'some-other-value,add-appends-values' } },
      },
      {
        ask: { path: '/remove', headers: { 'X-HEADER-REMOVE': 'val' } },
        get: { sees: { 'x-header-remove': null } },
      },
      {
        ask: {
          path: '/multiple',
          headers: {
            'x-header-set-1': 'old',
            'X-Header-Add-2': 'old',
            'X-Header-Remove-1': 'val',
            'user-agent': 'caller',
            authorization: 'secret',
            other: 'kept',
          },
        },
        get: {
          sees: {
            'x-header-set-1': 'header-set-1',
            'user-agent': 'mesh',
            'x-header-add-1': 'header-add-1',
            'x-header-add-2': 'old,header-add-2',
            'x-header-remove-1': null,
            authorization: null,
            other: 'kept',
          },
        },
      },
    ],
  },
  {
    name: 'MeshHTTPRouteBackendRequestHeaderModifier',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: prefix('/'),
            filters: [
              requestHeaders({
                set: [
                  { name: 'x-rule', value: 'rule' },
                  { name: 'x-both', value: 'rule' },
                ],
              }),
              responseHeaders({ set: [{ name: 'x-answer', value: 'rule' }] }),
            ],
            backendRefs: [
              service('echo-v1', {
                filters: [
                  requestHeaders({ set: [{ name: 'x-both', value: 'backend' }] }),
                  responseHeaders({ add: [{ name: 'x-from', value: 'backend' }] }),
                ],
              }),
            ],
          },
        ],
      },
    ],
    requests: [
      {
        ask: '/',
        get: {
          backend: 'v1',
          sees: { 'x-rule': 'rule', 'x-both': 'backend' },
          returns: { 'x-answer': 'rule', 'x-from': 'backend' },
        },
      },
    ],
  },
  {
    name: 'HTTPRouteResponseHeaderModifier',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            filters: [
              responseHeaders({
                set: [{ name: 'X-Backend', value: 'hidden' }],
                add: [{ name: 'X-More', value: '1' }],
                remove: ['x-remove-me'],
              }),
            ],
            backendRefs: V1,
          },
        ],
      },
    ],
    requests: [{ ask: '/', get: { returns: { 'x-backend': 'hidden', 'x-more': '1', 'x-remove-me': null } } }],
  },
  {
    name: 'MeshHTTPRouteRewritePath',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: prefix('/prefix/one'), filters: [rewrite({ path: replaced('/one') })], backendRefs: V1 },
          { matches: prefix('/strip-prefix'), filters: [rewrite({ path: replaced('/') })], backendRefs: V1 },
          {
            matches: prefix('/slash/'),
            filters: [rewrite({ path: replaced('/longer/than/it/was/') })],
            backendRefs: V1,
          },
          { matches: prefix('/full/one'), filters: [rewrite({ path: full('/one') })], backendRefs: V1 },
          {
            matches: prefix('/full/rewrite-path-and-modify-headers'),
            filters: [
              rewrite({ path: full('/test') }),
              requestHeaders({ set: [{ name: 'X-Header-Set', value: 'set' }] }),
            ],
            backendRefs: V2,
          },
          { matches: prefix('/host'), filters: [rewrite({ hostname: 'one.example.org' })], backendRefs: V1 },
        ],
      },
    ],
    requests: [
      { ask: '/prefix/one/two', get: { path: '/one/two' } },
      { ask: '/prefix/one?a=b', get: { path: '/one?a=b' } },
      { ask: 'http://echo/prefix/one/two?c', get: { path: '/one/two?c' } },
      { ask: '/strip-prefix/three', get: { path: '/three' } },
      { ask: '/strip-prefix', get: { path: '/' } },
      { ask: '/strip-prefix/', get: { path: '/' } },
      { ask: '/slash/x?y=%2F', get: { path: '/longer/than/it/was/x?y=%2F' } },
      { ask: '/full/one/two?a=b', get: { path: '/one?a=b' } },
      {
        ask: '/full/rewrite-path-and-modify-headers/test',
        get: { backend: 'v2', path: '/test', sees: { 'x-header-set': 'set' } },
      },
      { ask: '/host/x', get: { path: '/host/x', host: 'one.example.org' } },
      { ask: '/prefix/two', get: { status: 404 } },
    ],
  },
  {
    name: 'MeshHTTPRouteRedirectHostAndStatus',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: prefix('/hostname-redirect'), filters: [redirect({ hostname: 'example.org' })] },
          {
            matches: prefix('/host-and-status'),
            filters: [redirect({ hostname: 'example.org', statusCode: 301 })],
          },
          { matches: prefix('/scheme'), filters: [redirect({ scheme: 'https' })] },
          {
            matches: prefix('/scheme-and-host'),
            filters: [redirect({ scheme: 'https', hostname: 'example.org' })],
          },
          { matches: prefix('/port'), filters: [redirect({ port: 8083 })] },
          { matches: prefix('/well-known'), filters: [redirect({ scheme: 'https', port: 443 })] },
        ],
      },
    ],
    requests: [
      {
        ask: '/hostname-redirect',
        get: { status: 302, returns: { location: 'http://example.org/hostname-redirect' } },
      },
      {
        ask: '/host-and-status?x',
        get: { status: 301, returns: { location: 'http://example.org/host-and-status?x' } },
      },
      { ask: '/scheme', get: { status: 302, returns: { location: 'https://echo/scheme' } } },
      {
        ask: { path: '/scheme', host: 'echo:8080' },
        get: { status: 302, returns: { location: 'https://echo/scheme' } },
      },
      {
        ask: '/scheme-and-host',
        get: { status: 302, returns: { location: 'https://example.org/scheme-and-host' } },
      },
      { ask: '/port', get: { status: 302, returns: { location: 'http://echo:8083/port' } } },
      {
        ask: { path: '/hostname-redirect', host: 'echo:8080' },
        get: { status: 302, returns: { location: 'http://example.org:8080/hostname-redirect' } },
      },
      { ask: '/well-known', get: { status: 302, returns: { location: 'https://echo/well-known' } } },
    ],
  },
  {
    name: 'MeshHTTPRouteRedirectPath',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          {
            matches: prefix('/original-prefix'),
            filters: [redirect({ path: replaced('/replacement-prefix') })],
          },
          { matches: prefix('/full'), filters: [redirect({ path: full('/full-path-replacement') })] },
          {
            matches: prefix('/path-and-host'),
            filters: [redirect({ hostname: 'example.org', path: replaced('/replacement-prefix') })],
          },
          {
            matches: prefix('/path-and-status'),
            filters: [redirect({ path: replaced('/replacement-prefix'), statusCode: 308 })],
          },
        ],
      },
    ],
    requests: [
      {
        ask: '/original-prefix/lemon',
        get: { status: 302, returns: { location: 'http://echo/replacement-prefix/lemon' } },
      },
      {
        ask: '/full/path/original?q',
        get: { status: 302, returns: { location: 'http://echo/full-path-replacement?q' } },
      },
      {
        ask: '/path-and-host/lemon',
        get: { status: 302, returns: { location: 'http://example.org/replacement-prefix/lemon' } },
      },
      {
        ask: '/path-and-status/lemon',
        get: { status: 308, returns: { location: 'http://echo/replacement-prefix/lemon' } },
      },
    ],
  },
  {
    name: 'MeshHTTPRouteRedirectPort',
    routes: [
      {
        parentRefs: [parent()],
        rules: [
          { matches: prefix('/port'), filters: [redirect({ port: 8083 })] },
          { matches: prefix('/port-and-host'), filters: [redirect({ port: 8083, hostname: 'example.org' })] },
          { matches: prefix('/port-and-status'), filters: [redirect({ port: 8083, statusCode: 301 })] },
        ],
      },
    ],
    requests: [
      { ask: '/port', get: { status: 302, returns: { location: 'http://echo:8083/port' } } },
      {
        ask: '/port-and-host',
        get: { status: 302, returns: { location: 'http://example.org:8083/port-and-host' } },
      },
      {
        ask: '/port-and-status',
        get: { status: 301, returns: { location: 'http://echo:8083/port-and-status' } },
      },
    ],
  },
  ...([303, 307, 308] as const).map((statusCode) => ({
    name: `MeshHTTPRoute${statusCode}Redirect`,
    routes: [{ parentRefs: [parent()], rules: [{ filters: [redirect({ statusCode })] }] }],
    requests: [
      { ask: '/redirect', get: { status: statusCode, returns: { location: 'http://echo/redirect' } } },
    ],
  })),
];
