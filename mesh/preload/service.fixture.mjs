// An unmodified service, on whatever Node: it answers each request with what its own requests looked like to those who got them.
//
// `/?steps=timer,http,fetch` is done step by step; `/classic?steps=…` the same in callbacks, as services were written before promises. It serves
// HTTP/1.1 on one port and HTTP/2 without TLS on another, and says `ready`. Its arguments: both ports, the URLs that it calls by HTTP/1.1, by
// HTTP/2 and by HTTPS, the address that it calls by gRPC, and the module of undici.
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import http2, { connect as connectHttp2 } from 'node:http2';
import https from 'node:https';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';

const [port1, port2, url1 = '', url2 = '', url3 = '', grpcAddress = '', undiciModule = ''] =
  process.argv.slice(2);
const undici = await import(undiciModule);

const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
const secureAgent = new https.Agent({ keepAlive: true, maxSockets: 2, rejectUnauthorized: false });
const pool = new undici.Pool(url1, { connections: 2 });
const shared = new undici.Agent({ connect: { rejectUnauthorized: false } });
let session;
let grpcChannel;
let grpcCalls = 0;

/** Jobs that are worked off by a loop which no request has begun. */
const jobs = new EventEmitter();
jobs.setMaxListeners(0);
const queue = [];
(async () => {
  for (;;) {
    if (queue.length === 0) await once(jobs, 'job');
    for (const { done } of queue.splice(0)) done(await get({}));
  }
})();

const STEPS = {
  promise: () => Promise.resolve(),
  tick: () => new Promise((resolve) => process.nextTick(resolve)),
  immediate: () => immediate(),
  timer: () => sleep(Math.random() * 4),
  http: () => get({}),
  'http-list': () => get({ headers: ['host', new URL(url1).host, 'x-list', '1'] }),
  'http-post': () => get({ method: 'POST' }, 'some body'),
  'http-own': () => get({ headers: { TraceParent: `00-${'e'.repeat(32)}-${'e'.repeat(16)}-00` } }),
  'http-retry': () => retried(),
  // Node sends the head before anybody can see it.
  'http-expect': () => get({ method: 'POST', headers: { expect: '100-continue' } }, 'some body'),
  'http-bad': () => get({ headers: { 'no token': '1' } }).catch(({ code }) => ({ code })),
  https: () => get({ agent: secureAgent }, undefined, https, url3),
  'https-undici': async () => (await undici.request(url3, { dispatcher: shared })).body.json(),
  fetch: async () => (await fetch(url1)).json(),
  'fetch-own': async () =>
    (await fetch(url1, { headers: { 'X-Request-Id': 'own', Baggage: 'own=1' } })).json(),
  undici: async () => (await undici.request(url1, { dispatcher: shared })).body.json(),
  'undici-pool': async () => (await pool.request({ method: 'GET', path: '/' })).body.json(),
  http2: () => get2(),
  'http2-retry': async () => {
    const failing = connectHttp2('http://127.0.0.1:1').on('error', () => {});
    return new Promise((resolve) => failing.request().on('error', () => resolve(get({}))));
  },
  'http2-own': () => get2({ 'x-request-id': 'own' }),
  'http2-bad': () => get2({ ':bad': '1' }).catch(({ code }) => ({ code })),
  grpc: () => callGrpc(openGrpc()),
  job: () => {
    const result = new Promise((done) => queue.push({ done }));
    jobs.emit('job');
    return result;
  },
};

async function serve(steps) {
  const seen = [];
  for (const step of steps) {
    const result = await STEPS[step]();
    if (result && typeof result === 'object') seen.push({ step, ...result });
  }
  return JSON.stringify(seen);
}

function get(options, body, module = http, url = url1) {
  return new Promise((resolve, reject) => {
    const request = module.request(url, { agent, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => resolve(JSON.parse(text)));
    });
    request.on('error', reject).end(body);
  });
}

function openGrpc() {
  // Every few calls a channel of its own, which has to be opened while others wait for it.
  if (grpcCalls++ % 6 === 0) grpcChannel = new grpc.Client(grpcAddress, grpc.credentials.createInsecure());
  return grpcChannel;
}

function callGrpc(client) {
  return new Promise((resolve, reject) => {
    const decode = (bytes) => JSON.parse(bytes.toString());
    client.makeUnaryRequest(
      '/origin/Tell',
      () => Buffer.alloc(0),
      decode,
      {},
      (error, answer) => {
        if (error) reject(error);
        // And a call more, in the callback.
        else get({}).then(({ tracestate }) => resolve({ ...answer, behind: tracestate }), reject);
      },
    );
  });
}

/** From an event of a connection that could not be made. */
function retried() {
  return new Promise((resolve, reject) => {
    const failing = http.request({ host: '127.0.0.1', port: 1, agent: false });
    failing.on('error', () => get({}).then(resolve, reject)).end();
  });
}

async function get2(headers) {
  if (!session || session.closed || session.destroyed) {
    session = connectHttp2(url2);
    session.on('error', () => {});
  }
  const stream = session.request({ ':path': '/', ...headers });
  let text = '';
  stream.setEncoding('utf8').on('data', (part) => (text += part));
  await once(stream, 'end');
  return JSON.parse(text);
}

function onRequest(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://service');
  const steps = searchParams.get('steps').split(',').filter(Boolean);
  if (pathname !== '/classic') {
    serve(steps).then(
      (text) => response.end(text),
      (error) => response.writeHead(500).end(String(error.stack)),
    );
    return;
  }
  const seen = [];
  request.on('data', () => {});
  request.on('end', () => {
    const next = () => {
      const step = steps.shift();
      if (step === undefined) {
        response.end(JSON.stringify(seen));
        return;
      }
      STEPS[step]().then((result) => {
        if (result && typeof result === 'object') seen.push({ step, ...result });
        setTimeout(next, 1);
      });
    };
    next();
  });
}

const server1 = http.createServer(onRequest).listen(Number(port1), '127.0.0.1');
const server2 = http2.createServer(onRequest).listen(Number(port2), '127.0.0.1');
await Promise.all([once(server1, 'listening'), once(server2, 'listening')]);
console.log('ready');
