/** What a server gives to a visitor of its page, over real HTTP requests into a fastify without a socket. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import fastify from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { foreignRequest, openPageSite, type PageOptions, servePage } from '../../shared/host/index.ts';
import { codingFor } from '../../shared/host/page/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { realBundleFolder } from '../runtime/real-bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'offramp-page-test-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const script = 'globalThis.x = 1;'.repeat(20);
mkdirSync(join(folder, 'inner'));
writeFileSync(join(folder, 'index.html'), '<!doctype html>');
writeFileSync(join(folder, 'secret.txt'), 'nobody lists this');
writeFileSync(join(folder, 'inner', 'main-1.js'), script);
writeFileSync(join(folder, 'inner', 'main-1.js.br'), brotliCompressSync(script));
const common = { sha256: 'a'.repeat(64), codings: [] as string[] };
const files = [
  { ...common, path: 'index.html', type: 'text/html; charset=utf-8', isHashed: false },
  { ...common, path: 'inner/main-1.js', type: 'text/javascript', isHashed: true, codings: ['br'] },
];
writeFileSync(join(folder, 'site.json'), JSON.stringify({ files }));

const options: PageOptions = {
  folder,
  bundleFolders: [realBundleFolder],
  cloudUrls: ['wss://user:password@cloud.example:8470/path?token=x', '../'],
  imagesOf: () => ({ source: 'two dots', count: 2, bytes: Uint8Array.of(7, 255, 1, 2) }),
  version: '1.2.3',
};
const site = await openPageSite(options);
const app = fastify();
servePage(app, { site, admit: foreignRequest });
const get = (url: string, headers: Record<string, string> = {}) =>
  app.inject({ url, headers: { host: '127.0.0.1', ...headers } });

const Serving = suite('serving the page');

Serving.after(() => app.close());

Serving('everything that is listed comes with its type and strict headers', async () => {
  for (const [path, type] of [
    ['', 'text/html; charset=utf-8'],
    ['index.html', 'text/html; charset=utf-8'],
    ['inner/main-1.js', 'text/javascript'],
    ['config.json', 'application/json'],
    ['models/b-lenet-mnist/manifest.json', 'application/json'],
    ['models/b-lenet-mnist/s0.onnx', 'application/octet-stream'],
    ['images/b-lenet-mnist', 'application/octet-stream'],
  ] as const) {
    const { statusCode, headers } = await get(`/page/${path}`);
    assert.equal([statusCode, headers['content-type']], [200, type], path);
    assert.is(headers['x-content-type-options'], 'nosniff');
    assert.is(headers['referrer-policy'], 'no-referrer');
    assert.is(headers['cross-origin-embedder-policy'], 'require-corp');
    const policy = String(headers['content-security-policy']);
    assert.match(policy, "script-src 'self' 'wasm-unsafe-eval';");
    assert.match(policy, "connect-src 'self' wss://cloud.example:8470;");
    assert.not.match(policy, 'unsafe-inline');
    assert.not.match(policy, 'password');
  }
  const { statusCode, headers } = await get('/page');
  assert.equal([statusCode, headers.location], [308, 'page/']);
});

Serving('the page is told of bundles, images and servers, and of no secret', async () => {
  const { body } = await get('/page/config.json');
  assert.equal(JSON.parse(body), {
    version: '1.2.3',
    cloudUrls: ['wss://cloud.example:8470/path', '../'],
    bundles: [{ id: 'b-lenet-mnist', title: 'B-LeNet on MNIST', images: { source: 'two dots', count: 2 } }],
  });
  const { rawPayload } = await get('/page/images/b-lenet-mnist');
  assert.equal([...rawPayload], [7, 255, 1, 2]);
});

Serving('names that change with their content are kept for good, others are asked for again', async () => {
  const hashed = await get('/page/inner/main-1.js');
  assert.match(String(hashed.headers['cache-control']), 'immutable');
  const index = await get('/page/');
  assert.is(index.headers['cache-control'], 'no-cache');
  const again = await get('/page/', { 'if-none-match': `"x", W/${index.headers.etag}` });
  assert.equal([again.statusCode, again.body], [304, '']);
});

Serving('a compressed copy goes to who takes it, under a tag of its own', async () => {
  const plain = await get('/page/inner/main-1.js');
  assert.equal([plain.headers['content-encoding'], plain.body], [undefined, script]);
  const coded = await get('/page/inner/main-1.js', { 'accept-encoding': 'gzip, br' });
  assert.is(coded.headers['content-encoding'], 'br');
  assert.is(brotliDecompressSync(coded.rawPayload).toString(), script);
  assert.is.not(coded.headers.etag, plain.headers.etag);
  const content = { identity: 'a', br: 'a.br', gzip: 'a.gz' };
  for (const [accepted, coding] of [
    [undefined, 'identity'],
    ['', 'identity'],
    ['gzip', 'gzip'],
    ['br;q=0, GZIP;q=0.5', 'gzip'],
    ['br; q=0.0', 'identity'],
    ['brotli', 'identity'],
  ] as const) {
    assert.is(codingFor(content, accepted), coding, accepted);
  }
});

Serving('nothing else is served, however a path is written', async () => {
  const tricks = [
    '..',
    '.',
    '',
    '%2e%2e',
    '%2f',
    '..%2f',
    '\\',
    '%5c',
    '%00',
    'secret.txt',
    'site.json',
    'inner',
  ];
  const names = [
    ...site.files.keys(),
    ...tricks,
    'models',
    'b-lenet-mnist',
    'README.md',
    'package.json',
    'etc',
    'passwd',
  ];
  const path = fc.array(fc.oneof(fc.constantFrom(...names), fc.string()), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(path, async (parts) => {
      const url = `/page/${parts.map((part) => (/^[\w./%\\-]*$/.test(part) ? part : encodeURIComponent(part))).join('/')}`;
      const { statusCode, rawPayload } = await get(url);
      if (statusCode !== 200) return assert.ok([400, 404].includes(statusCode), `${statusCode} for ${url}`);
      // What came has to be what is listed under the path as it is read.
      const { pathname } = new URL(url, 'http://127.0.0.1');
      const listed = [url, pathname].some((one) =>
        site.files.has(decodeURIComponent(one.slice('/page/'.length))),
      );
      assert.ok(listed, url);
      assert.not(rawPayload.includes('nobody lists this'));
    }),
    { numRuns: 400 },
  );
  for (const url of [
    '/page/../page/secret.txt',
    '/page/secret.txt',
    '/page/site.json',
    '/page/models/b-lenet-mnist/README.md',
  ]) {
    assert.is((await get(url)).statusCode, 404, url);
  }
});

Serving('a stranger who resolves a name of his own to this machine gets nothing', async () => {
  const { statusCode, body } = await get('/page/', { host: 'evil.example' });
  assert.is(statusCode, 401);
  assert.match(body, 'UNAUTHORIZED');
});

Serving('a folder without a built page is refused, with the mend', async () => {
  await rejectsCode(
    openPageSite({ ...options, folder: join(folder, 'inner') }),
    'CONFIG_INVALID',
    'npm run build',
  );
});

Serving.run();
