/**
 * Builds the page that shows the agent, with onnxruntime's files and a list of all of them, `site.json`. Part of `npm run build`;
 * by itself: `node scripts/build-page.mjs FOLDER`, without compressed copies, which a page on loopback does not need.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { evaluatesNothing } from './evaluates-nothing.mjs';
import { wasmFiles, webGpuFiles } from './web-runtime-files.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'edge', 'page');
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const types = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};
/** Names that have to stay the same, so that a visitor of yesterday finds today's. */
const fixedNames = new Set(['icon.svg', 'index.html', 'page.webmanifest', 'service-worker.js']);
/** Best for text; onnxruntime's 14 MB would take it half a minute. */
const brotliQuality = { '.wasm': 9 };
const leastGain = 0.9;

/**
 * @param folder is emptied first.
 * @param codings that every file is compressed with besides, of `br` and `gzip`.
 */
export async function buildPage(folder, codings = []) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { version } = readJson(join(root, 'package.json'));
  const runtime = `onnxruntime-${readJson(join(root, 'node_modules', 'onnxruntime-web', 'package.json')).version}`;
  for (const { name, path } of [...wasmFiles, ...webGpuFiles]) cpSync(path, join(folder, runtime, name));
  for (const file of ['icon.svg', 'page.webmanifest']) cpSync(join(sources, file), join(folder, file));
  const common = {
    outdir: folder,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['onnxruntime-web-use-extern-wasm'],
    legalComments: 'linked',
    minify: true,
    metafile: true,
    logLevel: 'warning',
  };
  const define = { offrampVersion: JSON.stringify(version) };
  const run = async (entry, more = {}) => {
    const { metafile } = await build({ ...common, define, entryPoints: [join(sources, entry)], ...more });
    const outputs = Object.entries(metafile.outputs);
    const [path = ''] = outputs.find(([, { entryPoint }]) => entryPoint?.endsWith(entry)) ?? [];
    return basename(path);
  };
  const worker = await run('worker.ts', { splitting: true, plugins: [evaluatesNothing] });
  const style = await run('page.css');
  const script = await run('main.ts', {
    splitting: true,
    define: { ...define, pageWorker: JSON.stringify(worker), pageRuntime: JSON.stringify(`${runtime}/`) },
  });
  const html = readFileSync(join(sources, 'index.html'), 'utf8');
  writeFileSync(
    join(folder, 'index.html'),
    html.replace('page.css', style).replace('main.ts', script).replace(/\n\s*/g, '\n'),
  );
  const later = webGpuFiles.map(({ name }) => `${runtime}/${name}`);
  const needed = filesUnder(folder).filter((path) => !path.endsWith('.txt') && !later.includes(path));
  const shell = createHash('sha256');
  for (const path of needed) shell.update(readFileSync(join(folder, path)));
  await run('service-worker.ts', {
    entryNames: '[name]',
    define: {
      shellName: JSON.stringify(`shell-${shell.digest('hex').slice(0, 16)}`),
      shellFiles: JSON.stringify(needed.map((path) => (path === 'index.html' ? './' : path))),
      laterFiles: JSON.stringify(later),
    },
  });
  const files = filesUnder(folder).map((path) => listed(folder, path, codings));
  writeFileSync(join(folder, 'site.json'), JSON.stringify({ files }, undefined, 2));
  return files;
}

function filesUnder(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

function listed(folder, path, codings) {
  const bytes = readFileSync(join(folder, path));
  const made = codings.filter((coding) => {
    const compressed = coding === 'br' ? brotli(bytes, extname(path)) : gzipSync(bytes, { level: 9 });
    if (compressed.length > leastGain * bytes.length) return false;
    writeFileSync(join(folder, `${path}${coding === 'br' ? '.br' : '.gz'}`), compressed);
    return true;
  });
  return {
    path,
    type: types[extname(path)] ?? 'application/octet-stream',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    isHashed: !fixedNames.has(path),
    codings: made,
  };
}

function brotli(bytes, extension) {
  const quality = brotliQuality[extension] ?? constants.BROTLI_MAX_QUALITY;
  return brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('no folder, expected one to build the page into');
  await buildPage(folder);
}
