// The Envoy bootstrap of the benchmark. With features: request ids, OpenTelemetry traces at 1 % over OTLP/gRPC,
// x-forwarded-* (and -client-cert behind mTLS) and a JSON access log with about the fields of ours. Statistics and
// circuit-breaker thresholds are Envoy's defaults, always on. With policies: a local rate limit by tenant, outlier detection and retries
// within a budget, as our sidecar has them.
import { TENANT_HEADER } from '../cells.ts';
import { POLICY_CONCURRENCY, POLICY_QUOTA, RETRY_BUDGET_PERCENT } from './contender.ts';

type Json = Record<string, unknown>;

export const ACCESS_LOG = 'access.log';

const HTTP_EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const TLS_EXTENSIONS = `${HTTP_EXTENSIONS}.transport_sockets.tls.v3`;

export function bootstrap(options: { listener: Json; clusters: Json[] }): Json {
  return { static_resources: { listeners: [options.listener], clusters: options.clusters } };
}

interface HttpListener {
  hasFeatures: boolean;
  hasPolicies?: boolean;
  service: string;
  tls: Json | null;
}

export function httpListener(options: HttpListener): Json {
  const { hasPolicies = false } = options;
  const retries = hasPolicies ? { retry_policy: { retry_on: RETRY_ON, num_retries: 2 } } : {};
  const manager = {
    '@type': `${HTTP_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '15s', ...retries } }],
        },
      ],
    },
    // The deadlines of our sidecar, which cannot be switched off there either.
    request_headers_timeout: '10s',
    stream_idle_timeout: '30s',
    http_filters: [
      ...(hasPolicies ? [rateLimit()] : []),
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${HTTP_EXTENSIONS}.filters.http.router.v3.Router` },
      },
    ],
    ...(options.hasFeatures
      ? features(options.service, options.tls !== null)
      : { generate_request_id: false }),
  };
  return listener('envoy.filters.network.http_connection_manager', manager, options.tls);
}

export function tcpListener(): Json {
  return listener(
    'envoy.filters.network.tcp_proxy',
    {
      '@type': `${HTTP_EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'tcp',
      cluster: 'upstream',
    },
    null,
  );
}

export function tcpCluster(port: number): Json {
  return cluster('upstream', port, null);
}

interface HttpCluster {
  port: number;
  protocol: 'h2' | 'http/1.1';
  tls: Json | null;
  hasPolicies?: boolean;
}

export function httpCluster(options: HttpCluster): Json {
  const http2 = { explicit_http_config: { http2_protocol_options: {} } };
  const http1 = { explicit_http_config: { http_protocol_options: {} } };
  return {
    ...cluster('upstream', options.port, options.protocol === 'h2' ? http2 : http1),
    ...(options.tls === null ? {} : { transport_socket: options.tls }),
    ...(options.hasPolicies ? breakers() : {}),
  };
}

export function otlpCluster(port: number): Json {
  return cluster('otlp', port, { explicit_http_config: { http2_protocol_options: {} } });
}

export function downstreamTls(peer: string, protocol: string): Json {
  return transportSocket({
    '@type': `${TLS_EXTENSIONS}.DownstreamTlsContext`,
    require_client_certificate: true,
    common_tls_context: tlsContext(peer, protocol),
  });
}

export function upstreamTls(peer: string, protocol: string): Json {
  return transportSocket({
    '@type': `${TLS_EXTENSIONS}.UpstreamTlsContext`,
    common_tls_context: tlsContext(peer, protocol),
  });
}

const RETRY_ON = 'connect-failure,refused-stream,reset,gateway-error';

function rateLimit(): Json {
  const bucket = { max_tokens: POLICY_QUOTA, tokens_per_fill: POLICY_QUOTA, fill_interval: '1s' };
  const always = { default_value: { numerator: 100 } };
  return {
    name: 'envoy.filters.http.local_ratelimit',
    typed_config: {
      '@type': `${HTTP_EXTENSIONS}.filters.http.local_ratelimit.v3.LocalRateLimit`,
      stat_prefix: 'tenants',
      token_bucket: bucket,
      filter_enabled: always,
      filter_enforced: always,
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
      // A descriptor without a value has a bucket for each value that callers send.
      descriptors: [{ entries: [{ key: 'tenant' }], token_bucket: bucket }],
      rate_limits: [
        { actions: [{ request_headers: { header_name: TENANT_HEADER, descriptor_key: 'tenant' } }] },
      ],
    },
  };
}

function breakers(): Json {
  const budget = { budget_percent: { value: RETRY_BUDGET_PERCENT }, min_retry_concurrency: 3 };
  return {
    circuit_breakers: { thresholds: [{ max_requests: POLICY_CONCURRENCY, retry_budget: budget }] },
    outlier_detection: { consecutive_5xx: 5, consecutive_gateway_failure: 5 },
  };
}

function features(service: string, hasMtls: boolean): Json {
  return {
    generate_request_id: true,
    always_set_request_id_in_response: true,
    use_remote_address: true,
    ...(hasMtls
      ? { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: { uri: true } }
      : {}),
    tracing: {
      random_sampling: { value: 1 },
      provider: {
        name: 'envoy.tracers.opentelemetry',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig',
          grpc_service: { envoy_grpc: { cluster_name: 'otlp' }, timeout: '1s' },
          service_name: service,
        },
      },
    },
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': `${HTTP_EXTENSIONS}.access_loggers.file.v3.FileAccessLog`,
          path: ACCESS_LOG,
          log_format: { json_format: LOG_FIELDS },
        },
      },
    ],
  };
}

const LOG_FIELDS = {
  time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  path: '%REQ(:PATH)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  request_bytes: '%BYTES_RECEIVED%',
  response_bytes: '%BYTES_SENT%',
  duration_ms: '%DURATION%',
  upstream_ms: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  upstream: '%UPSTREAM_HOST%',
  downstream: '%DOWNSTREAM_REMOTE_ADDRESS%',
  peer: '%DOWNSTREAM_PEER_URI_SAN%',
  request_id: '%REQ(X-REQUEST-ID)%',
  trace_id: '%TRACE_ID%',
  user_agent: '%REQ(USER-AGENT)%',
};

function listener(filter: string, config: Json, tls: Json | null): Json {
  return {
    name: 'client',
    address: socketAddress(0),
    filter_chains: [
      {
        filters: [{ name: filter, typed_config: config }],
        ...(tls === null ? {} : { transport_socket: tls }),
      },
    ],
  };
}

/** `protocol`: how HTTP is spoken; null where none is. */
function cluster(name: string, port: number, protocol: Json | null): Json {
  const http = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${HTTP_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
      ...protocol,
    },
  };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    ...(protocol === null ? {} : { typed_extension_protocol_options: http }),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(port) } }] }],
    },
  };
}

function tlsContext(peer: string, protocol: string): Json {
  return {
    alpn_protocols: [protocol],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [
      { certificate_chain: { filename: 'svid.pem' }, private_key: { filename: 'svid.key' } },
    ],
    validation_context: {
      trusted_ca: { filename: 'roots.pem' },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }],
    },
  };
}

function transportSocket(context: Json): Json {
  return { name: 'envoy.transport_sockets.tls', typed_config: context };
}

function socketAddress(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
