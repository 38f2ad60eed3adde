/** Compiles the project once for a run of all tests, which start some four hundred processes between them. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the compiler has written is none of the project's, and nothing in a test asks for its history. */
const leftOut = new Set(['.git', 'dist']);

/**
 * Makes a temporary copy of the project with JavaScript beside every source, and gives its folder, which goes when the
 * process ends. Only what `tsconfig.json` includes is copied, the rest is linked. Types are not checked.
 * @throws Error with the compiler's words when a source cannot be parsed.
 */
export function compiledCopy(root: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'offramp-compiled-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const { include }: { include: string[] } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const [from, to] = [join(root, entry.name), join(folder, entry.name)];
    if (leftOut.has(entry.name)) continue;
    if (entry.isFile()) copyFileSync(from, to);
    else if (include.includes(entry.name)) cpSync(from, to, { recursive: true });
    // A junction needs no privilege on Windows; elsewhere the word is ignored.
    else symlinkSync(from, to, 'junction');
  }
  const compiler = join(folder, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [compiler, '-p', folder, '--noEmit', 'false', '--noCheck', '--sourceMap'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`the sources do not compile:\n${stdout}${stderr}`);
  return folder;
}
