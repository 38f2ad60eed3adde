import { fileEntries, openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder } from '../../shared/host/index.ts';

/** A bundle all of whose files are there and are those that its manifest lists. */
export interface VerifiedBundle {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Reads every file of a bundle, compares size and SHA-256 with the manifest's, and reads its records.
 * @throws OfframpError BUNDLE_MANIFEST_INVALID, BUNDLE_FILE_MISSING, BUNDLE_FILE_CORRUPT naming the file.
 */
export async function verifyBundle(folder: string): Promise<VerifiedBundle> {
  const bundle = await openBundle(bundleFolder(folder));
  const { manifest, digest } = bundle;
  const entries = fileEntries(manifest).map(({ entry }) => entry);
  // Segments and tables were verified when the bundle was opened; once more costs little and leaves nothing out.
  for (const { file } of entries) await bundle.read(file);
  for (const { split } of manifest.records) await bundle.records(split);
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  return { id: manifest.id, version: manifest.version, digest, files: entries.length, bytes };
}
