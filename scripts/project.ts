import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OfframpError } from '../shared/errors.ts';

/** The folder that holds package.json and models/, from the sources as from the compiled package. */
export const projectFolder = findProject(dirname(fileURLToPath(import.meta.url)));

const packageJson = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8'));

export const version: string = packageJson.version;
/** Versions of Node that it runs on, such as `>=20.19`. */
export const requiredNode: string = packageJson.engines.node;
/** Version of onnxruntime; package.json pins it. */
export const runtimeVersion: string = packageJson.dependencies['onnxruntime-node'];

export const defaultBundle = 'b-lenet-mnist';
export const defaultCloudPort = 8470;
export const defaultEdgePort = 8471;

/**
 * Finds a bundle by the path of its folder or by its id under models/.
 * @throws OfframpError BUNDLE_NOT_FOUND naming those that are there.
 */
export function findBundle(nameOrFolder: string): string {
  const models = join(projectFolder, 'models');
  for (const folder of [resolve(nameOrFolder), join(models, nameOrFolder)]) {
    if (existsSync(join(folder, 'manifest.json'))) return folder;
  }
  throw new OfframpError(
    'BUNDLE_NOT_FOUND',
    `No bundle '${nameOrFolder}': expected a folder with a manifest.json, or one of ${bundleIds().join(', ')}`,
  );
}

/** Ids of the bundles under models/, in alphabetical order. */
export function bundleIds(): string[] {
  const models = join(projectFolder, 'models');
  return readdirSync(models)
    .filter((name) => existsSync(join(models, name, 'manifest.json')))
    .sort();
}

function findProject(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${start}`);
  }
}
