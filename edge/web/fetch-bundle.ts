import { maximumManifestBytes, type ReadFile } from '../../shared/bundle/index.ts';

/** Larger files are none that a page should load. */
const mostFileBytes = 256 * 1024 * 1024;
const timeoutMs = 60_000;

/**
 * Reads the files of a bundle from a web server. Each is fetched once and kept, so that what is read later fits the manifest that
 * was read first. Who opens the bundle checks the digests.
 * @param folderUrl with the slash at its end.
 */
export function bundleAt(folderUrl: string): ReadFile {
  const files = new Map<string, Promise<Uint8Array>>();
  return (name) => {
    const known = files.get(name);
    if (known !== undefined) return known;
    const file = fetchFile(new URL(encodeURIComponent(name), folderUrl), limitOf(name));
    files.set(name, file);
    // A server that was away may be back.
    file.catch(() => files.delete(name));
    return file;
  };
}

function limitOf(name: string): number {
  // One more than is allowed, so that the check that knows the limit refuses it in its own words.
  return name === 'manifest.json' ? maximumManifestBytes + 1 : mostFileBytes;
}

async function fetchFile(url: URL, mostBytes: number): Promise<Uint8Array> {
  // An old file beside a new manifest would be taken for a damaged one; unchanged ones cost a 304.
  const response = await fetch(url, { cache: 'no-cache', signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`HTTP ${response.status} for ${url.href}`);
  if (response.body === null) return new Uint8Array(0);
  return collect(response.body, mostBytes, url);
}

async function collect(
  body: ReadableStream<Uint8Array>,
  mostBytes: number,
  { href }: URL,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    length += part.value.length;
    if (length > mostBytes) {
      await reader.cancel();
      throw new Error(`${href} has more than ${mostBytes} bytes`);
    }
    parts.push(part.value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
