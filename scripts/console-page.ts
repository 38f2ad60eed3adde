/** What the cloud server serves at /console/. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { builtFiles } from '../cloud/index.ts';
import { OfframpError, reasonOf } from '../shared/errors.ts';
import { projectFolder } from './project.ts';

const sources = join(projectFolder, 'cloud', 'console', 'app');
const builder = join(projectFolder, 'scripts', 'build-console.mjs');
const built = join(projectFolder, 'dist', 'cloud', 'console', 'built');

/**
 * The console's page: in a checkout made of its sources, which takes half a second; in a package as `npm run build` made it.
 * @throws OfframpError CONFIG_INVALID where it is not built and cannot be.
 */
export async function consoleFiles(): Promise<ReadonlyMap<string, Uint8Array>> {
  if (!existsSync(sources) || !existsSync(builder)) return builtFiles(built);
  const folder = mkdtempSync(join(tmpdir(), 'offramp-console-'));
  try {
    await promisify(execFile)(process.execPath, [builder, folder]);
    return await builtFiles(folder);
  } catch (cause) {
    if (existsSync(built)) return builtFiles(built);
    const message = `The console's page is not built and cannot be built here: run npm run build (${reasonOf(cause)})`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
