import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocketServer } from 'ws';
import { keptFresh, readCloudTls } from '../../edge/daemon/cloud-tls.ts';
import { wsDial } from '../../edge/daemon/index.ts';
import { throwsCode, within } from '../protocol/expect.ts';
import { haveOpenssl, makeAuthority, makeCertificate, noOpenssl } from '../support/certificates.ts';
import { skip } from '../support/data.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-cloud-tls-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const url = 'wss://localhost:8470';

function certificates() {
  const authority = makeAuthority(folder, 'authority');
  return {
    ...{ authority, other: makeAuthority(folder, 'other') },
    server: makeCertificate(folder, 'server', authority, { commonName: 'gpu.example' }),
    camera: makeCertificate(folder, 'camera', authority, { commonName: 'camera-7' }),
  };
}
const made = haveOpenssl ? certificates() : undefined;
const servers = new Set<Server>();

const Link = suite('TLS to the cloud');
Link.after.each(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers.clear();
});

function link(name: string, work: (all: ReturnType<typeof certificates>) => Promise<void> | void): void {
  Link(name, async () => (made === undefined ? skip(noOpenssl) : work(made)));
}

/** A WebSocket server with TLS that asks for a client certificate; gives the common names of who came. */
async function cloud({
  authority,
  server: pair,
}: ReturnType<typeof certificates>): Promise<{ url: string; names: string[] }> {
  const read = (file: string) => readFileSync(file);
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: read(authority.cert) };
  const server = createServer({ cert: read(pair.cert), key: read(pair.key), ...mutual });
  servers.add(server);
  const names: string[] = [];
  new WebSocketServer({ server }).on('connection', (socket, { socket: raw }) => {
    names.push(String((raw as TLSSocket).getPeerCertificate().subject.CN));
    socket.close(1000);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
  return { url: `wss://localhost:${address.port}`, names };
}

/** How a dialled connection ends. */
function dial(
  to: string,
  files: Parameters<typeof readCloudTls>[0],
): Promise<{ code: number; reason: string }> {
  const tls = () => readCloudTls(files, to);
  return new Promise((resolve) => {
    wsDial({ url: to, heartbeatMs: 60_000, connectTimeoutMs: 5000, maxMessageBytes: 1000, tls })({
      onOpen: () => {},
      onMessage: () => {},
      onClose: (code, reason) => resolve({ code, reason }),
    });
  });
}

link('trusts a private authority and shows who the device is', async (all) => {
  const { url: to, names } = await cloud(all);
  const files = { caFile: all.authority.cert, certFile: all.camera.cert, keyFile: all.camera.key };
  assert.equal(await within(5000, dial(to, files)), { code: 1000, reason: '' });
  assert.equal(names, ['camera-7']);
});

link(
  'says in words why a server is not trusted, and why it trusts nobody without a certificate',
  async (all) => {
    const { url: to, names } = await cloud(all);
    const own = { certFile: all.camera.cert, keyFile: all.camera.key };
    assert.match((await within(5000, dial(to, own))).reason, /certificate/);
    assert.match((await within(5000, dial(to, { ...own, caFile: all.other.cert }))).reason, /certificate/);
    assert.is.not((await within(5000, dial(to, { caFile: all.authority.cert }))).reason, '');
    assert.equal(names, []);
  },
);

link('files that do not go together are CONFIG_INVALID, and named', ({ authority, server, camera }) => {
  const read =
    (files: Parameters<typeof readCloudTls>[0], to: string | undefined = url) =>
    () =>
      readCloudTls(files, to);
  throwsCode(read({ caFile: authority.cert }, 'ws://localhost'), 'CONFIG_INVALID', 'wss:');
  throwsCode(read({ caFile: '/nowhere' }), 'CONFIG_INVALID', '--cloud-ca');
  throwsCode(read({ caFile: authority.key }), 'CONFIG_INVALID', '--cloud-ca');
  throwsCode(read({ certFile: camera.cert }), 'CONFIG_INVALID', 'expected both');
  throwsCode(read({ keyFile: camera.key }), 'CONFIG_INVALID', 'expected both');
  throwsCode(read({ certFile: camera.cert, keyFile: server.key }), 'CONFIG_INVALID', 'its key');
});

link('without files there is nothing to say, with any address or none', () => {
  for (const to of [url, 'ws://localhost', undefined]) assert.equal(readCloudTls({}, to), {});
  throwsCode(() => readCloudTls({ caFile: '/nowhere' }, undefined), 'CONFIG_INVALID', 'wss:');
});

Link('what is read anew stays as it was while it cannot be read', () => {
  const file = join(folder, 'token');
  writeFileSync(file, 'one');
  const fresh = keptFresh(() => readFileSync(file, 'utf8'));
  writeFileSync(file, 'two');
  assert.is(fresh(), 'two');
  rmSync(file);
  assert.is(fresh(), 'two');
  assert.throws(() => keptFresh(() => readFileSync(file, 'utf8')));
});

Link.run();
