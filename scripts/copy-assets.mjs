/** Second part of `npm run build`: copies to dist/ what the compiler does not emit. Models stay where they are. */
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const rooms = ['shared', 'edge', 'cloud', 'scripts'];
/** Boot files of workers and the command, and what the console's and the browser's pages are made of. */
const copied = new Set(['.mjs', '.py', '.html', '.css', '.svg', '.json']);
const builders = [
  'build-console.mjs',
  'build-page.mjs',
  'build-web.mjs',
  'copy-assets.mjs',
  'evaluates-nothing.mjs',
  'web-runtime-files.mjs',
];
const notCopied = new Set(builders.map((name) => join('scripts', name)));
/** Built by `build-page.mjs` and `build-console.mjs`. */
const pageFolders = [join('edge', 'page'), join('cloud', 'console', 'app')];

let count = 0;
for (const room of rooms.filter((name) => existsSync(join(root, name)))) {
  for (const entry of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
    const file = join(room, entry);
    if (
      !copied.has(extname(file)) ||
      notCopied.has(file) ||
      pageFolders.some((folder) => file.startsWith(folder))
    )
      continue;
    cpSync(join(root, file), join(root, 'dist', file));
    count += 1;
  }
}
process.stdout.write(`dist: ${count} files copied beside the compiled ones\n`);
