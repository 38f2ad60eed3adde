import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleAt } from '../../edge/web/fetch-bundle.ts';
import { maximumManifestBytes, openBundle } from '../../shared/bundle/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { realBundleFolder } from '../runtime/real-bundle.ts';

const servers = new Set<Server>();

/** Serves what `find` gives for a path, 404 for nothing, and keeps what was asked for. */
async function site(
  find: (path: string) => Uint8Array | undefined,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const bytes = find(path);
    response.writeHead(bytes === undefined ? 404 : 200);
    response.end(bytes);
  });
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
  return { url: `http://127.0.0.1:${address.port}/models/x/`, asked };
}

const realFile = (path: string) => readFileSync(join(realBundleFolder, path.replace('/models/x/', '')));

const Fetch = suite('a bundle from a web server');

Fetch.after.each(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers.clear();
});

Fetch('has only the files fetched that are needed, each once', async () => {
  const { url, asked } = await site(realFile);
  const readFile = bundleAt(url);
  await openBundle(readFile, { segments: [] });
  const bundle = await openBundle(readFile, { segments: [0] });
  assert.ok(bundle.segment(0).bytes.length > 0);
  assert.equal(asked.sort(), ['/models/x/cut1.tables.bin', '/models/x/manifest.json', '/models/x/s0.onnx']);
});

Fetch('names the file that is missing and what the server said, and asks again the next time', async () => {
  let isThere = false;
  const { url } = await site((path) => (isThere ? realFile(path) : undefined));
  const readFile = bundleAt(url);
  await rejectsCode(openBundle(readFile), 'BUNDLE_FILE_MISSING', 'HTTP 404');
  isThere = true;
  await openBundle(readFile);
});

Fetch('refuses a file that is not what the manifest says', async () => {
  const { url } = await site((path) => (path.endsWith('s0.onnx') ? new Uint8Array(9) : realFile(path)));
  await rejectsCode(openBundle(bundleAt(url)), 'BUNDLE_FILE_CORRUPT', 's0.onnx');
});

Fetch('does not read a manifest without end', async () => {
  let sent = 0;
  const server = createServer((_request, response) => {
    const chunk = new Uint8Array(2 ** 16).fill(32);
    const more = () => {
      sent += chunk.length;
      response.write(chunk, () => setImmediate(more));
    };
    response.on('close', () => response.destroy());
    more();
  });
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`listening on ${address}`);
  const readFile = bundleAt(`http://127.0.0.1:${address.port}/`);
  await rejectsCode(
    openBundle(readFile),
    'BUNDLE_FILE_MISSING',
    `more than ${maximumManifestBytes + 1} bytes`,
  );
  assert.ok(sent < 64 * maximumManifestBytes);
});

Fetch('asks for no file outside its folder, whatever the name', async () => {
  const { url, asked } = await site(() => new Uint8Array(1));
  for (const name of ['../secret', '/etc/passwd', 'http://elsewhere/', 'a?b#c']) await bundleAt(url)(name);
  for (const path of asked) assert.match(path, /^\/models\/x\/[^/?#]+$/);
});

Fetch.run();
