/** A server with TLS, client certificates and named tokens, and a device that lives through all of them being changed. */
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { haveOpenssl, makeAuthority, makeCertificate, noOpenssl } from '../support/certificates.ts';
import { skip } from '../support/data.ts';
import { classify, type JsonAnswer, offloadingBundle, samples, temporaryFolder } from './images.ts';
import { cleanUp, connected, metric, type Server, startServer, waitUntil } from './support.ts';

const images = samples(8);
const budgetMs = 5000;
const old = 'the-old-token-of-this-site';
const renewed = 'the-new-token-of-this-site';

const access = suite('access');
access.after.each(cleanUp);

interface Status {
  readonly cloud: { readonly connected: boolean; readonly problem?: { readonly code: string } };
}

async function problemOf(edge: Server): Promise<string | undefined> {
  const { cloud }: Status = await (await fetch(`${edge.url}/v1/status`)).json();
  return cloud.problem?.code;
}

async function assertFinishedInTheCloud(edge: Server): Promise<void> {
  const answer: JsonAnswer = await classify(edge, images.image(0), { budgetMs });
  assert.equal([answer.degraded, answer.route], [false, 'features'], answer.reason);
}

access('holds over TLS with certificates on both sides, and through a change of every secret', async () => {
  if (!haveOpenssl) return skip(noOpenssl);
  const folder = temporaryFolder();
  const authority = makeAuthority(folder, 'authority');
  const [server, after] = ['server', 'after'].map((name) =>
    makeCertificate(folder, name, authority, { commonName: 'gpu.example' }),
  );
  const camera = makeCertificate(folder, 'camera', authority, { commonName: 'camera-7' });
  if (server === undefined || after === undefined) throw new Error('no certificates');
  const [tokens, own] = [join(folder, 'tokens.txt'), join(folder, 'own.txt')];
  writeFileSync(tokens, `site-a ${old} connections 2 expires 2999-12-31\n`);
  writeFileSync(own, old);
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', [
    ...['--bundle', bundle, '--token-file', tokens, '--log-level', 'info'],
    ...['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', authority.cert],
  ]);
  assert.match(cloud.url, /^https:/);
  const edge = await startServer('edge', [
    ...['--bundle', bundle, '--cloud', cloud.wsUrl, '--cloud-token-file', own],
    ...['--cloud-ca', authority.cert, '--cloud-cert', camera.cert, '--cloud-key', camera.key],
  ]);
  await waitUntil(() => connected(edge), 'the device to connect');
  await assertFinishedInTheCloud(edge);
  const client = {
    ca: readFileSync(authority.cert),
    cert: readFileSync(camera.cert),
    key: readFileSync(camera.key),
  };
  assert.match(await page(cloud, client, '/metrics'), /client_connections\{client="camera-7"\} 1/);

  const serial = () => serialOf(cloud, client);
  const before = await serial();
  copyFileSync(after.cert, server.cert);
  copyFileSync(after.key, server.key);
  await waitUntil(async () => (await serial()) !== before, 'the renewed certificate', { everyMs: 200 });
  assert.is(await metric(edge.url, 'offramp_edge_cloud_connected'), 1);
  await assertFinishedInTheCloud(edge);

  writeFileSync(tokens, `site-a ${renewed}\n`);
  cloud.child.kill('SIGHUP');
  await waitUntil(async () => (await problemOf(edge)) === 'UNAUTHORIZED', 'the old token to be refused');
  writeFileSync(own, renewed);
  await waitUntil(() => connected(edge), 'the device to find its new token');
  await assertFinishedInTheCloud(edge);

  const log = cloud.stderr();
  for (const secret of [old, renewed]) assert.not(log.includes(secret), 'a token is logged');
  assert.match(log, /"msg":"tokens read anew"/);
  assert.match(log, /"client":"camera-7"/);
  assert.is(await edge.stop(), 0);
  assert.is(await cloud.stop(), 0, cloud.stderr());
});

interface TlsClient {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

async function page({ url }: Server, client: TlsClient, path: string): Promise<string> {
  const [response] = await once(get(`${url}${path}`, { ...client, agent: false }), 'response');
  let text = '';
  for await (const part of response) text += part;
  return text;
}

/** What tells a certificate of the server from the one before. */
async function serialOf({ port }: Server, client: TlsClient): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ...client });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}

access.run();
