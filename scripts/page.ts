/** What `--page` of a server serves: the built page, and images to run in it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Manifest } from '../shared/bundle/index.ts';
import { OfframpError, reasonOf } from '../shared/errors.ts';
import type { PageImages, PageOptions } from '../shared/host/index.ts';
import { demoImages } from './demo/images.ts';
import { projectFolder } from './project.ts';

const mostImages = 500;
const unknownClass = 255;
/** What the page is made of. */
const sourceFolders = ['edge/page', 'edge/web', 'edge/agent', 'shared'];

/**
 * The page as `npm run build` made it. In a checkout with sources that are newer it is built now, which takes a second.
 * @throws OfframpError CONFIG_INVALID where it is not built and cannot be.
 */
export async function findPage(): Promise<Pick<PageOptions, 'folder' | 'imagesOf'>> {
  return { folder: await builtPage(), imagesOf: pageImages };
}

/** Whether {@link findPage} can be expected to find it: an installation without its tools for building may have none. */
export function hasPage(): boolean {
  const plotter = join(projectFolder, 'node_modules', 'uplot');
  return !isStale(join(projectFolder, 'dist', 'edge', 'page', 'site.json')) || existsSync(plotter);
}

async function builtPage(): Promise<string> {
  const built = join(projectFolder, 'dist', 'edge', 'page');
  if (!isStale(join(built, 'site.json'))) return built;
  const folder = mkdtempSync(join(tmpdir(), 'offramp-page-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  try {
    const script = join(projectFolder, 'scripts', 'build-page.mjs');
    await promisify(execFile)(process.execPath, [script, folder]);
    return folder;
  } catch (cause) {
    const message = `The page is not built and cannot be built here: run npm run build (${reasonOf(cause)})`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
}

/** Whether there is something newer than the built page; a package has no sources. */
function isStale(listing: string): boolean {
  if (!existsSync(listing)) return true;
  const folders = sourceFolders.map((name) => join(projectFolder, name));
  if (!folders.every((folder) => existsSync(folder))) return false;
  const builtMs = statSync(listing).mtimeMs;
  return folders.some((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).some(
      (name) => statSync(join(folder, name)).mtimeMs > builtMs,
    ),
  );
}

/** Those of the demo, as many as somebody watches. */
function pageImages(manifest: Manifest): PageImages {
  const images = demoImages(manifest, process.env.OFFRAMP_DATA);
  const count = Math.min(mostImages, images.count);
  const size = images.shape.reduce((product, side) => product * side, 1);
  const bytes = new Uint8Array(count * (1 + size));
  for (let index = 0; index < count; index++) {
    bytes[index] = images.truth(index) ?? unknownClass;
    bytes.set(images.image(index), count + index * size);
  }
  return { source: images.source, count, bytes };
}
