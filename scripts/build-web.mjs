/**
 * Last part of `npm run build`: the agent of a page in two scripts that need nothing else but onnxruntime's files, which are
 * copied beside them, and the page that shows it. `node scripts/build-web.mjs` builds into dist/edge/web and dist/edge/page, with a folder
 * only the scripts, into that.
 */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildConsole } from './build-console.mjs';
import { buildPage } from './build-page.mjs';
import { evaluatesNothing } from './evaluates-nothing.mjs';
import { wasmFiles, webGpuFiles } from './web-runtime-files.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [asked] = process.argv.slice(2);
const folder = asked ?? join(root, 'dist', 'edge', 'web');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const scripts = { 'offramp-web': 'index.ts', 'offramp-web-worker': 'worker.ts' };

mkdirSync(folder, { recursive: true });
for (const [name, entry] of Object.entries(scripts)) {
  await build({
    entryPoints: { [name]: join(root, 'edge', 'web', entry) },
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    // Its threads are started from a file of its own; inside ours they would start our worker again.
    conditions: ['onnxruntime-web-use-extern-wasm'],
    define: { offrampVersion: JSON.stringify(version) },
    legalComments: 'linked',
    minify: true,
    sourcemap: true,
    plugins: name === 'offramp-web-worker' ? [evaluatesNothing] : [],
    logLevel: 'warning',
  });
}
for (const { name, path } of [...wasmFiles, ...webGpuFiles]) cpSync(path, join(folder, name));
process.stdout.write(`${folder}: ${Object.keys(scripts).length} scripts for pages, and onnxruntime\n`);
if (asked === undefined) {
  await buildConsole(join(root, 'dist', 'cloud', 'console', 'built'));
  const pageFolder = join(root, 'dist', 'edge', 'page');
  const files = await buildPage(pageFolder, ['br', 'gzip']);
  process.stdout.write(`${pageFolder}: ${files.length} files of the page, each also compressed\n`);
}
