import { resolve } from 'node:path';
import { openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { type TritonOptions, tritonModels } from '../models/triton.ts';
import { verifyBundle } from '../models/verify.ts';
import { writeRepository } from '../models/write-repository.ts';
import { print, printJson, table } from '../output.ts';
import { bundleIds, findBundle } from '../project.ts';

export interface ModelsCommandOptions {
  readonly bundle?: readonly string[];
  readonly json?: boolean;
}

export interface ExportCommandOptions extends ModelsCommandOptions, TritonOptions {
  readonly triton: string;
  readonly force?: boolean;
}

/** Lists bundles, without reading more than their manifests. */
export async function listCommand({ bundle, json }: ModelsCommandOptions): Promise<void> {
  const bundles = await Promise.all(
    foldersOf(bundle).map(async (folder) => {
      const { manifest, digest } = await openBundle(bundleFolder(folder), { segments: [] });
      const { id, version, title, segments, exits } = manifest;
      return { id, version, title, segments: segments.length, exits: exits.length, digest, folder };
    }),
  );
  if (json) return printJson(bundles);
  const rows = bundles.map(({ id, version, segments, digest, title }) => [
    ...[id, version, String(segments), digest.slice(0, 16), title],
  ]);
  print(table(['id', 'version', 'segments', 'digest', 'title'], rows));
}

/** Reads every file of bundles; the first that is wrong ends it. */
export async function verifyCommand({ bundle, json }: ModelsCommandOptions): Promise<void> {
  const verified = [];
  for (const folder of foldersOf(bundle)) verified.push(await verifyBundle(folder));
  if (json) return printJson(verified);
  for (const { id, version, files, bytes, digest } of verified) {
    print(`${id} ${version}: ${files} files, ${bytes} bytes, as manifest.json lists them; digest ${digest}`);
  }
}

/** Writes a Triton model repository. */
export async function exportCommand(options: ExportCommandOptions): Promise<void> {
  const bundles = await Promise.all(
    foldersOf(options.bundle).map((folder) => openBundle(bundleFolder(folder))),
  );
  const models = bundles.flatMap((bundle) => tritonModels(bundle, options));
  await writeRepository(options.triton, models, options.force ? 'replace' : 'refuse');
  const names = models.map(({ name }) => name);
  if (options.json) return printJson({ folder: resolve(options.triton), models: names });
  print(`${options.triton}: ${names.join(', ')}`);
}

function foldersOf(bundles: readonly string[] = bundleIds()): string[] {
  return bundles.map(findBundle);
}
