/**
 * Builds the console's page: a script with its plots, a style sheet, and the page itself. Part of `npm run build`; by itself:
 * `node scripts/build-console.mjs FOLDER`.
 */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'cloud', 'console', 'app');

export async function buildConsole(folder) {
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: { console: join(sources, 'main.ts') },
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    define: { codeMeanings: JSON.stringify(meanings()) },
    legalComments: 'inline',
    minify: true,
    logLevel: 'warning',
  });
  await build({
    entryPoints: { console: join(sources, 'console.css') },
    outdir: folder,
    bundle: true,
    minify: true,
    logLevel: 'warning',
  });
  cpSync(join(sources, 'index.html'), join(folder, 'index.html'));
}

/** What each code means, in the words of docs/errors.md. */
function meanings() {
  const page = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
  const entries = [...page.matchAll(/^### `([A-Z_]+)`\n[\s\S]*?^Means: ([\s\S]*?) Comes:/gm)];
  if (entries.length < 40)
    throw new Error(`docs/errors.md: ${entries.length} codes with a meaning, expected all`);
  return Object.fromEntries(entries.map(([, code, text]) => [code, plain(text)]));
}

function plain(text) {
  const words = text
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '')
    .replaceAll(/\s+/g, ' ');
  return words[0].toUpperCase() + words.slice(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('no folder, expected one to build the console into');
  await buildConsole(folder);
}
