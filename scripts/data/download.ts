import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OfframpError } from '../../shared/errors.ts';
import { type Dataset, type DatasetName, datasets, type PublishedFile } from './datasets.ts';
import { unpackArchive } from './unpack.ts';

/** How far one file has come. */
export interface DownloadProgress {
  readonly file: string;
  /** Bytes on disk, those of an earlier, cut download included. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface DownloadOptions {
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** How long a server may send nothing before the download is cut and tried again. */
  readonly stallMs?: number;
}

/** What a download left on disk. */
export interface DownloadedDataset {
  /** The folder that holds the files. */
  readonly folder: string;
  readonly downloaded: readonly string[];
  /** Files that were there already: as published, or unpacked earlier from an archive that was. */
  readonly kept: readonly string[];
}

const defaultStallMs = 30_000;
/** Tries per mirror. Each one goes on where the last was cut, so a long file survives as many cuts. */
const triesPerMirror = 4;

/**
 * Downloads a data set into `toFolder/<set>/` and checks it against the publisher's sizes and SHA-256. Files that are there
 * and right are kept; a download that was cut goes on where it stopped.
 *
 * @throws OfframpError `DOWNLOAD_FAILED` when no server gives a file, with the servers tried and what to do by hand;
 *   `DATA_CORRUPT` when an archive cannot be unpacked.
 */
export async function downloadDataset(
  options: DownloadOptions & { readonly name: DatasetName; readonly toFolder: string },
): Promise<DownloadedDataset> {
  return downloadAll(datasets[options.name], options.toFolder, options);
}

/** `downloadDataset` for a set that is not in the table. */
export async function downloadAll(
  dataset: Dataset,
  toFolder: string,
  options: DownloadOptions = {},
): Promise<DownloadedDataset> {
  const folder = join(resolve(toFolder), dataset.folder);
  await mkdir(folder, { recursive: true });
  const members = dataset.unpack;
  if (members?.every(({ keepAs }) => existsSync(join(folder, keepAs)))) {
    return { folder, downloaded: [], kept: members.map(({ keepAs }) => keepAs) };
  }

  const downloaded: string[] = [];
  const kept: string[] = [];
  for (const file of dataset.files) {
    const status = await downloadFile(file, folder, options);
    (status === 'kept' ? kept : downloaded).push(file.name);
    if (members === undefined) continue;
    await unpackArchive(join(folder, file.name), folder, members);
    await rm(join(folder, file.name));
  }
  if (members === undefined) return { folder, downloaded, kept };
  return { folder, downloaded: members.map(({ keepAs }) => keepAs), kept: [] };
}

/** Downloads one file, mirror after mirror, to `NAME.partial`, and gives it its name once its sum is right. */
export async function downloadFile(
  file: PublishedFile,
  folder: string,
  options: DownloadOptions = {},
): Promise<'downloaded' | 'kept'> {
  const target = join(folder, file.name);
  const partial = `${target}.partial`;
  if (existsSync(target) && (await sha256Of(target)) === file.sha256) return 'kept';

  const failures: string[] = [];
  let cause: unknown;
  for (const url of file.urls) {
    try {
      await fetchFrom(url, file, partial, options);
      await rename(partial, target);
      return 'downloaded';
    } catch (thrown) {
      cause = thrown;
      failures.push(`${new URL(url).host}: ${reasonOf(thrown)}`);
    }
  }
  throw new OfframpError('DOWNLOAD_FAILED', failureText(file, folder, failures), { cause });
}

function failureText(file: PublishedFile, folder: string, failures: readonly string[]): string {
  return [
    `${file.name} could not be downloaded.`,
    ...failures.map((failure) => `  ${failure}`),
    `Without a network, fetch it elsewhere from ${file.urls.join(' or ')} (${file.bytes} bytes, SHA-256 ${file.sha256}),`,
    `put it at ${join(folder, file.name)}, and give the same command again.`,
  ].join('\n');
}

/** A failed connection hides its reason in `cause`. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const cause = thrown.cause;
  if (!(cause instanceof Error)) return thrown.message;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return `${thrown.message} (${code})`;
}

/** The server answered and will not answer otherwise the next time. */
class Refused extends Error {}

async function fetchFrom(
  url: string,
  file: PublishedFile,
  partial: string,
  options: DownloadOptions,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const startBytes = await sizeOf(partial);
    try {
      await fetchRest(url, file, partial, startBytes, options);
    } catch (thrown) {
      if (thrown instanceof Refused || tries >= triesPerMirror) throw thrown;
      // A server that is not there at all is not asked again; one that cut the line is.
      if ((await sizeOf(partial)) === startBytes) throw thrown;
      continue;
    }
    const sum = await sha256Of(partial);
    if (sum === file.sha256) return;
    await rm(partial);
    // What an earlier download left may be of another file: only a download in one piece condemns the server.
    if (startBytes === 0) throw new Refused(`sent another file: SHA-256 ${sum}, expected ${file.sha256}`);
  }
}

/** Fetches what is missing behind the first `startBytes` bytes of `partial`. */
async function fetchRest(
  url: string,
  file: PublishedFile,
  partial: string,
  startBytes: number,
  options: DownloadOptions,
): Promise<void> {
  if (startBytes === file.bytes) return;
  const from = startBytes < file.bytes ? startBytes : 0;
  const stall = stallGuard(options.stallMs ?? defaultStallMs);
  try {
    const fetch = options.fetch ?? globalThis.fetch;
    // Files that are gzip already must come as they are: a compressed transfer would be undone by fetch and change the bytes.
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (from > 0) headers.range = `bytes=${from}-`;
    const response = await fetch(url, { headers, signal: stall.signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Refused(`answered ${response.status} ${response.statusText}`.trimEnd());
    }
    const offset = continuesAt(response, from) ? from : 0;
    await writeBody(response.body, file, partial, offset, () => stall.alive(), options.onProgress);
  } finally {
    stall.stop();
  }
}

/** Whether the answer holds the bytes from `from` on; a server that knows no ranges sends the file from its start. */
function continuesAt(response: Response, from: number): boolean {
  if (from === 0 || response.status !== 206) return false;
  return response.headers.get('content-range')?.startsWith(`bytes ${from}-`) ?? false;
}

async function writeBody(
  body: ReadableStream<Uint8Array>,
  file: PublishedFile,
  partial: string,
  offset: number,
  alive: () => void,
  onProgress: DownloadOptions['onProgress'],
): Promise<void> {
  const handle = await open(partial, offset > 0 ? 'a' : 'w');
  let receivedBytes = offset;
  try {
    for await (const chunk of body) {
      alive();
      if (receivedBytes + chunk.byteLength > file.bytes) {
        throw new Refused(`sent more than the ${file.bytes} bytes of ${file.name}`);
      }
      await handle.appendFile(chunk);
      receivedBytes += chunk.byteLength;
      onProgress?.({ file: file.name, receivedBytes, totalBytes: file.bytes });
    }
  } finally {
    await handle.close();
  }
  if (receivedBytes < file.bytes) throw new Error(`cut after ${receivedBytes} of ${file.bytes} bytes`);
}

interface StallGuard {
  readonly signal: AbortSignal;
  alive(): void;
  stop(): void;
}

/** Aborts its signal when `alive` is not called for `stallMs`. */
function stallGuard(stallMs: number): StallGuard {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Error(`sent nothing for ${stallMs / 1000} s`)),
    stallMs,
  );
  return {
    signal: controller.signal,
    alive: () => timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}

async function sizeOf(path: string): Promise<number> {
  return existsSync(path) ? (await stat(path)).size : 0;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
