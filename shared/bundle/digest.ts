import { OfframpError } from '../errors.ts';
import type { FileEntry } from './schema.ts';

/**
 * SHA-256 (FIPS 180-4) of `bytes` as 64 lower-case hex digits, by the platform's own Web Crypto.
 *
 * Throws `CONFIG_INVALID` where there is none: a page gets it over HTTPS or from localhost only.
 */
export async function digestOf(bytes: Uint8Array): Promise<string> {
  const subtle: typeof globalThis.crypto.subtle | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) {
    throw new OfframpError(
      'CONFIG_INVALID',
      'got no crypto.subtle, expected Web Crypto for SHA-256: serve the page over HTTPS or from localhost',
    );
  }
  // Shared memory, which the cast rules out, is refused by the digest itself.
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Checks the size, then the digest of a file against its manifest entry; throws `BUNDLE_FILE_CORRUPT` naming the file. */
export async function verifyFile(entry: FileEntry, bytes: Uint8Array): Promise<void> {
  if (bytes.length !== entry.bytes) {
    throw new OfframpError(
      'BUNDLE_FILE_CORRUPT',
      `${entry.file}: got ${bytes.length} bytes, expected ${entry.bytes} as manifest.json says`,
    );
  }
  const digest = await digestOf(bytes);
  if (digest === entry.sha256) return;
  throw new OfframpError(
    'BUNDLE_FILE_CORRUPT',
    `${entry.file}: got SHA-256 ${digest}, expected ${entry.sha256} as manifest.json says`,
  );
}
