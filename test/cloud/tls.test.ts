/** TLS in the server, with certificates that openssl makes on the spot. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { type CloudLimits, type CloudOptions, readTls, type TlsFiles } from '../../cloud/index.ts';
import { parseTokens } from '../../shared/host/index.ts';
import { decodeFrame, encodeHello, parseError, subprotocol } from '../../shared/protocol/index.ts';
import { throwsCode, within } from '../protocol/expect.ts';
import {
  haveOpenssl,
  makeAuthority,
  makeCertificate,
  noOpenssl,
  type Pair,
} from '../support/certificates.ts';
import { skip } from '../support/data.ts';
import { cleanUp, type Running, served, startServer } from './server-source.ts';

const bundles = [{ id: served.id, digest: served.digest }];
const token = 'first-token-of-16';
const folder = mkdtempSync(join(tmpdir(), 'offramp-tls-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const sockets = new Set<WebSocket | TLSSocket>();

function certificates() {
  const authority = makeAuthority(folder, 'authority');
  const make = (name: string, by: Pair, commonName: string, days?: number) =>
    makeCertificate(folder, name, by, { commonName, ...(days !== undefined && { days }) });
  const other = makeAuthority(folder, 'other');
  return {
    ...{ authority, other },
    server: make('server', authority, 'gpu.example'),
    renewed: make('renewed', authority, 'gpu.example'),
    expired: make('expired', authority, 'gpu.example', 0),
    camera: make('camera', authority, 'camera-7'),
    nameless: make('nameless', authority, ''),
    stranger: make('stranger', other, 'camera-7'),
  };
}

type Certificates = ReturnType<typeof certificates>;
const made = haveOpenssl ? certificates() : undefined;

const Tls = suite('TLS');
Tls.after.each(async () => {
  for (const socket of sockets) {
    if (socket instanceof WebSocket) socket.terminate();
    else socket.destroy();
  }
  sockets.clear();
  await cleanUp();
});

function tls(name: string, work: (certificates: Certificates) => Promise<void> | void): void {
  Tls(name, async () => (made === undefined ? skip(noOpenssl) : work(made)));
}

const filesOf = ({ cert, key }: Pair, clientCa?: Pair): TlsFiles => ({
  ...{ certFile: cert, keyFile: key },
  ...(clientCa && { clientCaFile: clientCa.cert }),
});
const material = (pair: Pair, clientCa?: Pair) => readTls(filesOf(pair, clientCa), Date.now());

/** A server with TLS, and with the authority's client certificates when that is given. */
async function start(
  pair: Pair,
  clientCa?: Pair,
  { limits = {}, ...options }: Partial<Omit<CloudOptions, 'limits'>> & { limits?: Partial<CloudLimits> } = {},
): Promise<Running> {
  return startServer(limits, {
    ...{ tokens: parseTokens(token, 'the test'), tls: material(pair, clientCa) },
    ...options,
  });
}

/** What a client trusts, and shows when it has a certificate. */
const clientOf = (authority: Pair, own?: Pair) => ({
  ca: readFileSync(authority.cert),
  ...(own && { cert: readFileSync(own.cert), key: readFileSync(own.key) }),
});

type TlsClient = ReturnType<typeof clientOf>;

async function metric({ server }: Running, client: TlsClient, line: string): Promise<number> {
  const text = await new Promise<string>((resolve, reject) => {
    get(`${server.url}/metrics`, { ...client, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return Number(found?.slice(line.length) ?? 0);
}

const refusals = (running: Running, client: TlsClient, code: string) =>
  metric(running, client, `offramp_cloud_refusals_total{code="${code}"}`);

interface Greeted {
  readonly socket: WebSocket;
  /** The type of the first frame, or the code of the error in it. */
  readonly said: string;
}

async function greet({ server }: Running, client: TlsClient, own = token): Promise<Greeted> {
  const socket = new WebSocket(server.url.replace(/^http/, 'ws'), subprotocol, { ...client });
  sockets.add(socket);
  const failed = once(socket, 'error').then(([error]) => Promise.reject(error));
  await within(5000, Promise.race([once(socket, 'open'), failed]));
  const answered = once(socket, 'message');
  socket.send(encodeHello({ agent: 'test', ...(own !== '' && { token: own }), bundles }));
  const [message] = await within(5000, answered);
  const frame = decodeFrame(message);
  return { socket, said: frame.type === 'error' ? parseError(frame).code : frame.type };
}

/** The words of the error that a connection fails with. */
async function failure(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'nothing failed',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ...options });
  sockets.add(socket);
  await within(5000, once(socket, 'secureConnect'));
  return socket;
}

const portOf = ({ server }: Running) => Number(new URL(server.url).port);

tls(
  'serves https: and wss: to who trusts the authority, and to nobody else',
  async ({ authority, other, server }) => {
    const running = await start(server);
    assert.match(running.server.url, /^https:/);
    const client = clientOf(authority);
    assert.is((await greet(running, client)).said, 'welcome');
    assert.is((await greet(running, client, '')).said, 'UNAUTHORIZED', 'a certificate is no token');
    assert.match(await failure(greet(running, clientOf(other))), /certificate/);
    assert.ok(
      (await metric(running, client, 'offramp_cloud_tls_expiry_timestamp_seconds')) > Date.now() / 1000,
    );
  },
);

tls('refuses plain HTTP, old versions and silence, and counts them', async ({ authority, server }) => {
  const running = await start(server, undefined, { limits: { headersTimeoutMs: 300 } });
  const client = clientOf(authority);
  const port = portOf(running);
  const plain = connectTcp({ port, host: '127.0.0.1' });
  plain.on('error', () => {});
  plain.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  await within(5000, once(plain, 'close'));
  await failure(handshake(port, { ...client, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }));
  assert.ok((await refusals(running, client, 'TLS_HANDSHAKE_FAILED')) >= 1);
  const silent = connectTcp({ port, host: '127.0.0.1' });
  silent.on('error', () => {});
  await within(5000, once(silent, 'close'));
  assert.is(await refusals(running, client, 'REQUEST_TIMEOUT'), 1);
  assert.is((await handshake(port, { ...client, maxVersion: 'TLSv1.2' })).getProtocol(), 'TLSv1.2');
});

tls('asks for a client certificate of its authority, whose name is the client', async (all) => {
  const { authority, server, camera, stranger, nameless } = all;
  const running = await start(server, authority);
  const client = clientOf(authority, camera);
  assert.is((await greet(running, client)).said, 'welcome');
  assert.is(await metric(running, client, 'offramp_cloud_client_connections{client="camera-7"}'), 1);
  assert.is((await greet(running, client, '')).said, 'UNAUTHORIZED', 'the token is asked for as well');
  assert.is((await greet(running, clientOf(authority, nameless))).said, 'UNAUTHORIZED');
  await Promise.all([
    failure(greet(running, clientOf(authority))),
    failure(greet(running, clientOf(authority, stranger))),
  ]);
  assert.ok((await refusals(running, client, 'TLS_HANDSHAKE_FAILED')) >= 2);
});

tls(
  'lets certificates alone in where there are no tokens, on any address',
  async ({ authority, server, camera }) => {
    const running = await start(server, authority, { tokens: [], host: '0.0.0.0' });
    const url = running.server.url.replace('0.0.0.0', '127.0.0.1');
    assert.match(url, /^https:\/\/127\.0\.0\.1/);
    assert.is((await greet(running, clientOf(authority, camera), '')).said, 'welcome');
  },
);

tls(
  'a renewed certificate is served to new connections, and open ones stay',
  async ({ authority, server, renewed }) => {
    const running = await start(server);
    const client = clientOf(authority);
    const serial = async () => (await handshake(portOf(running), client)).getPeerCertificate().serialNumber;
    const before = await serial();
    const { socket } = await greet(running, client);
    running.server.replaceTls(material(renewed));
    assert.is.not(await serial(), before);
    const ponged = once(socket, 'pong');
    socket.ping();
    await within(2000, ponged);
    assert.is(socket.readyState, WebSocket.OPEN);
  },
);

tls('another client authority holds for whoever connects anew, resumed sessions too', async (all) => {
  const { authority, other, server, camera, stranger } = all;
  const running = await start(server, authority);
  const port = portOf(running);
  const client = { ...clientOf(authority, camera), maxVersion: 'TLSv1.2' } as const;
  const session = (await handshake(port, client)).getSession();
  running.server.replaceTls(material(server, other));
  assert.is((await greet(running, clientOf(authority, stranger))).said, 'welcome');
  const open = async (options: ConnectionOptions) => {
    const socket = await handshake(port, options);
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    const [text] = await within(5000, Promise.race([once(socket, 'data'), once(socket, 'close')]));
    return String(text).includes('200 OK');
  };
  const resumed = await open({ ...client, ...(session && { session }) }).catch(() => false);
  assert.is(resumed, false, 'a certificate of the authority before');
});

const wrong: Readonly<Record<string, [(all: Certificates) => TlsFiles, string]>> = {
  'a file that is not there': [({ server }) => ({ ...filesOf(server), keyFile: '/nowhere' }), '--tls-key'],
  'a certificate that is none': [
    ({ server }) => ({ ...filesOf(server), certFile: server.key }),
    '--tls-cert',
  ],
  'a key of another certificate': [
    ({ server, camera }) => ({ ...filesOf(server), keyFile: camera.key }),
    'its key',
  ],
  'a key that is none': [({ server }) => ({ ...filesOf(server), keyFile: server.cert }), 'its key'],
  'a client authority that is none': [
    ({ server }) => ({ ...filesOf(server), clientCaFile: server.key }),
    '--tls-client-ca',
  ],
  'a certificate that has expired': [({ expired }) => filesOf(expired), 'expired at'],
};
for (const [what, [files, says]] of Object.entries(wrong)) {
  tls(`${what} is CONFIG_INVALID`, (all) => {
    throwsCode(() => readTls(files(all), Date.now() + 5000), 'CONFIG_INVALID', says);
  });
}

tls('an empty file is CONFIG_INVALID', ({ server }) => {
  const empty = join(folder, 'empty.pem');
  writeFileSync(empty, '');
  throwsCode(() => readTls({ ...filesOf(server), certFile: empty }, 0), 'CONFIG_INVALID', '--tls-cert');
  throwsCode(() => readTls({ ...filesOf(server), keyFile: empty }, 0), 'CONFIG_INVALID', 'its key');
});

Tls.run();
