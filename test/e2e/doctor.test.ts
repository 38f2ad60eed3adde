/** `offramp doctor` against real servers, good ones and others. */
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocketServer } from 'ws';
import { type CloudTlsFiles, readCloudTls } from '../../edge/daemon/cloud-tls.ts';
import type { Check } from '../../scripts/doctor/check.ts';
import { examineLink } from '../../scripts/doctor/link-examination.ts';
import {
  haveOpenssl,
  makeAuthority,
  makeCertificate,
  noOpenssl,
  type Pair,
} from '../support/certificates.ts';
import { skip } from '../support/data.ts';
import { cleanUp, committedBundle, removeLater, runCommand, startServer } from './support.ts';

const token = 'the-token-of-this-test';
const closers = new Set<() => void>();

const Doctor = suite('offramp doctor');
Doctor.after.each(async () => {
  for (const close of closers) close();
  closers.clear();
  await cleanUp();
});

type Found = Check & { readonly mend: string };
/** The check whose name is, or ends with, what is given; without a mend an empty one. */
type Finder = (name: string) => Found;

interface Examined {
  readonly ending: unknown;
  readonly checks: readonly Check[];
  readonly one: Finder;
}

function finder(checks: readonly Check[]): Finder {
  return (name) => {
    const found = checks.find(({ check }) => check === name || check.endsWith(` ${name}`));
    if (found === undefined) throw new Error(`no check '${name}' in ${checks.map(({ check }) => check)}`);
    return { ...found, mend: found.mend ?? '' };
  };
}

/** Ports of its own, so that servers of this machine do not decide what is found. */
async function examine(args: readonly string[]): Promise<Examined> {
  const ports = args.includes('--port') ? [] : ['--port', String(await freePort())];
  const { ending, stdout, stderr } = await runCommand(['doctor', '--json', ...ports, ...args]);
  assert.is(stderr, '');
  const checks: readonly Check[] = JSON.parse(stdout);
  return { ending, checks, one: finder(checks) };
}

function file(name: string, text: string, mode = 0o600): string {
  const folder = removeLater(mkdtempSync(join(tmpdir(), 'offramp-doctor-')));
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
  return join(folder, name);
}

function manifestDigest(folder: string): string {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'manifest.json')))
    .digest('hex');
}

/** A listener that does with each connection what the test says. */
async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  closers.add(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return portOf(server);
}

function portOf(server: Server, host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** A TLS server that says nothing. */
async function listenTls({ cert, key }: Pair): Promise<number> {
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) });
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  closers.add(() => server.close());
  return portOf(server, '0.0.0.0');
}

/** A WebSocket server of something else. */
async function otherWebSocketServer(): Promise<number> {
  const server = createHttpServer();
  new WebSocketServer({ server, handleProtocols: () => false });
  closers.add(() => {
    server.closeAllConnections();
    server.close();
  });
  server.on('request', (_request, response) => response.writeHead(426).end());
  return portOf(server);
}

/** A port at which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

Doctor('finds nothing to mend with a server that takes token and bundle', async () => {
  const cloud = await startServer('cloud', ['--token-file', file('tokens.txt', token)]);
  const tokenFile = file('token.txt', token);
  const found = await examine(['--cloud', cloud.wsUrl, '--cloud-token-file', tokenFile]);
  assert.is(found.ending, 0);
  for (const name of [
    'node',
    'onnxruntime',
    'provider cpu',
    'bundle b-lenet-mnist',
    'address',
    'connection',
  ]) {
    assert.is(found.one(name).state, 'ok', name);
  }
  for (const name of ['tls', 'readyz', 'clock', 'hello b-lenet-mnist', 'round trip', `${tokenFile} mode`]) {
    assert.is(found.one(name).state, 'ok', name);
  }
  assert.match(found.one('round trip').found, /median of 7 pings/);
  assert.equal(
    found.checks.filter(({ state, mend }) => ['warning', 'failed'].includes(state) !== (mend !== undefined)),
    [],
    'a mend for each line that is not well, and for no other',
  );
});

Doctor('says that a token is wrong, and that its file is open to everybody', async () => {
  const cloud = await startServer('cloud', ['--token-file', file('tokens.txt', token)]);
  const tokenFile = file('token.txt', 'some-other-token-here', 0o644);
  const found = await examine(['--cloud', cloud.wsUrl, '--cloud-token-file', tokenFile]);
  assert.is(found.ending, 1);
  const hello = found.one('hello b-lenet-mnist');
  assert.is(hello.state, 'failed');
  assert.match(hello.found, /^UNAUTHORIZED/);
  assert.match(hello.mend, /--cloud-token-file/);
  assert.is(found.one('round trip').state, 'skipped');
  if (process.platform !== 'win32') assert.is(found.one(`${tokenFile} mode`).mend, `chmod 600 ${tokenFile}`);
});

Doctor(
  'shows the digests of both sides where they differ, and says that a bundle is not served',
  async () => {
    const here = removeLater(mkdtempSync(join(tmpdir(), 'offramp-doctor-')));
    cpSync(committedBundle, here, { recursive: true });
    // Another manifest to every reader but JSON's.
    writeFileSync(join(here, 'manifest.json'), `${readFileSync(join(here, 'manifest.json'), 'utf8')}\n`);
    const [hereDigest, thereDigest] = [here, committedBundle].map(manifestDigest);
    const cloud = await startServer('cloud', ['--bundle', committedBundle]);
    const args = ['--cloud', cloud.wsUrl, '--bundle', here, '--bundle', 'b-alexnet-cifar10'];
    const found = await examine(args);
    assert.is(found.ending, 1);
    const { found: words } = found.one('hello b-lenet-mnist');
    assert.match(words, /^BUNDLE_DIGEST_MISMATCH/);
    assert.match(words, new RegExp(`${hereDigest} on the device and ${thereDigest} on the server`));
    assert.match(found.one('hello b-alexnet-cifar10').found, /^BUNDLE_NOT_FOUND/);
  },
);

Doctor('names what is wrong with each of several addresses, and with a port, and ends in time', async () => {
  const nothing = await freePort();
  const silent = await listen(() => {});
  const closed = await listen((socket) => {
    const answer = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    socket.once('data', () => socket.end(answer));
  });
  const deaf = await otherWebSocketServer();
  const places = [nothing, silent, closed, deaf].map((port) => `ws://127.0.0.1:${port}`);
  const startedAt = performance.now();
  const clouds = [...places, 'http://127.0.0.1'].flatMap((place) => ['--cloud', place]);
  const found = await examine([...clouds, '--port', String(silent), '--timeout-ms', '1000']);
  assert.ok(performance.now() - startedAt < 50_000);
  assert.is(found.ending, 1);
  const at = (port: number) => (step: string) => found.one(`ws://127.0.0.1:${port} ${step}`);
  const [atNothing, atSilent, atClosed, atDeaf] = [at(nothing), at(silent), at(closed), at(deaf)] as const;

  assert.match(atNothing('connection').found, /ECONNREFUSED/);
  assert.match(atNothing('connection').mend, /start the server/);
  assert.is(atNothing('hello b-lenet-mnist').state, 'skipped');

  assert.is(atSilent('connection').state, 'ok');
  assert.match(atSilent('readyz').found, /does not answer: nothing within 1 s/);
  assert.is(atSilent('hello b-lenet-mnist').state, 'skipped');

  assert.is(atClosed('readyz').state, 'skipped');
  assert.match(atClosed('hello b-lenet-mnist').found, /status 404/);
  assert.match(atClosed('hello b-lenet-mnist').mend, /Upgrade/);

  assert.match(atDeaf('hello b-lenet-mnist').found, /subprotocol/);
  assert.is(found.one('cloud http://127.0.0.1').state, 'failed');

  const port = found.one(`port ${silent} on 127.0.0.1`);
  assert.is(port.state, 'failed');
  assert.match(port.found, /EADDRINUSE/);
  assert.match(port.mend, new RegExp(`:${silent}`));
});

/** The way to a server with TLS alone, as the command goes it. */
async function wayTo(url: string, files: CloudTlsFiles = {}): Promise<Finder> {
  const checks = await examineLink({
    ...{ url, token: undefined, agent: 'test', limitMs: 5000 },
    bundles: [{ id: 'b-lenet-mnist', digest: manifestDigest(committedBundle) }],
    tls: () => readCloudTls(files, url),
  });
  return finder(checks);
}

Doctor(
  'tells TLS apart: an unknown authority, a known one, ws: to a TLS port, wss: to a plain one',
  async () => {
    if (!haveOpenssl) return skip(noOpenssl);
    const folder = removeLater(mkdtempSync(join(tmpdir(), 'offramp-doctor-')));
    const authority = makeAuthority(folder, 'authority');
    const { cert, key } = makeCertificate(folder, 'server', authority, {
      commonName: 'gpu.example',
      days: 7,
    });
    const cloud = await startServer('cloud', ['--tls-cert', cert, '--tls-key', key]);
    const wss = `wss://127.0.0.1:${cloud.port}`;

    const unknown = await wayTo(wss);
    assert.is(unknown('tls').state, 'failed');
    assert.match(unknown('tls').found, /authority that is not trusted/);
    assert.match(unknown('tls').mend, /--cloud-ca/);
    assert.is(unknown('hello b-lenet-mnist').state, 'skipped');

    const known = await wayTo(wss, { caFile: authority.cert });
    assert.is(known('tls').state, 'ok');
    assert.is(known('certificate').state, 'warning');
    assert.match(known('certificate').found, /\b[67] days/);
    assert.is(known('hello b-lenet-mnist').state, 'ok');

    const plain = await wayTo(`ws://127.0.0.1:${cloud.port}`);
    assert.match(plain('tls').found, /the port speaks TLS/);
    assert.match(plain('tls').mend, /^wss:/);

    const open = await startServer('cloud');
    const wrong = await wayTo(`wss://127.0.0.1:${open.port}`);
    assert.match(wrong('tls').found, /does not speak TLS/);
  },
);

Doctor('says that a certificate has expired, or is for another name', async () => {
  if (!haveOpenssl) return skip(noOpenssl);
  const folder = removeLater(mkdtempSync(join(tmpdir(), 'offramp-doctor-')));
  const authority = makeAuthority(folder, 'authority');
  const expired = makeCertificate(folder, 'expired', authority, { commonName: 'gpu.example', days: 0 });
  const good = makeCertificate(folder, 'good', authority, { commonName: 'gpu.example' });
  const late = await listenTls(expired);
  assert.match(
    (await wayTo(`wss://127.0.0.1:${late}`, { caFile: authority.cert }))('tls').found,
    /expired on/,
  );
  const named = await listenTls(good);
  const other = await wayTo(`wss://127.0.0.2:${named}`, { caFile: authority.cert });
  // Only Linux has all of 127.0.0.0/8 without more ado.
  if (process.platform === 'linux') assert.match(other('tls').found, /for other names: IP Address:127.0.0.1/);
});

Doctor('says that a server asks for a client certificate', async () => {
  if (!haveOpenssl) return skip(noOpenssl);
  const folder = removeLater(mkdtempSync(join(tmpdir(), 'offramp-doctor-')));
  const authority = makeAuthority(folder, 'authority');
  const { cert, key } = makeCertificate(folder, 'server', authority, { commonName: 'gpu.example' });
  const own = makeCertificate(folder, 'camera', authority, { commonName: 'camera-7' });
  const tls = ['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', authority.cert];
  const cloud = await startServer('cloud', tls);
  const url = `wss://127.0.0.1:${cloud.port}`;

  const without = await wayTo(url, { caFile: authority.cert });
  assert.is(without('readyz').state, 'failed');
  assert.match(without('readyz').mend, /--cloud-cert/);

  const shown = await wayTo(url, { caFile: authority.cert, certFile: own.cert, keyFile: own.key });
  assert.is(shown('readyz').state, 'ok');
  assert.is(shown('hello b-lenet-mnist').state, 'ok');
});

Doctor('prints a line for each check without --json, plain where there is no terminal', async () => {
  const { ending, stdout, stderr } = await runCommand(['doctor', '--port', String(await freePort())]);
  assert.is(ending, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(
    lines.filter((line) => !/^(?:ok|warning|failed|skipped) +\S.*: |^ +-> /.test(line)),
    [],
  );
  assert.match(stderr, /^\d+ checks: \d+ ok, \d+ warning, 0 failed/);
});

Doctor.run();
