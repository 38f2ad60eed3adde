/**
 * Last part of `npm run build`: the agent of a page in two scripts that need nothing else but onnxruntime's two files, which are
 * copied beside them. `node scripts/build-web.mjs [folder]`, by default dist/edge/web.
 */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [folder = join(root, 'dist', 'edge', 'web')] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { resolve } = createRequire(import.meta.url);

const scripts = { 'offramp-web': 'index.ts', 'offramp-web-worker': 'worker.ts' };
const runtimeFiles = ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];

/**
 * Under a Content-Security-Policy the schema library finds out that it may not compile checks by trying, and every page would report a
 * violation. So it is told.
 */
const evaluatesNothing = {
  name: 'evaluates-nothing',
  setup(pass) {
    let isFound = false;
    pass.onLoad({ filter: /typebox[\\/]build[\\/]system[\\/]environment[\\/]evaluate\.mjs$/ }, () => {
      isFound = true;
      const contents =
        'export const CanEvaluate = () => false; export const Evaluate = () => { throw new EvalError(); };';
      return { contents, loader: 'js' };
    });
    pass.onEnd(({ errors }) => {
      if (isFound || errors.length > 0) return undefined;
      return { errors: [{ text: 'typebox has no evaluate.mjs where it was, expected the file to replace' }] };
    });
  },
};

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
for (const file of runtimeFiles) cpSync(resolve(`onnxruntime-web/${file}`), join(folder, file));
process.stdout.write(`${folder}: ${Object.keys(scripts).length} scripts for pages, and onnxruntime\n`);
