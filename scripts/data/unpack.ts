import { createReadStream } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip, gzip } from 'node:zlib';
import { OfframpError } from '../../shared/errors.ts';
import type { ArchiveMember } from './datasets.ts';

const compress = promisify(gzip);

/** POSIX.1-1988 ustar: everything comes in blocks of 512 bytes. */
const blockBytes = 512;

/** One regular file of a tar archive. */
export interface TarEntry {
  readonly path: string;
  readonly bytes: number;
  /** The file's content; `undefined` when the caller did not want it. */
  readonly content: Uint8Array | undefined;
}

/**
 * Writes the wanted members of a `.tar.gz` into a folder, compressed when `keepAs` ends in `.gz`. Nothing else of the
 * archive is written, and no path of the archive is used as a path on disk.
 *
 * @throws OfframpError `DATA_CORRUPT` when the archive is damaged or lacks a member.
 */
export async function unpackArchive(
  archive: string,
  folder: string,
  members: readonly ArchiveMember[],
): Promise<void> {
  const waiting = new Map(members.map((member) => [member.path, member]));
  try {
    await pipeline(createReadStream(archive), createGunzip(), async (chunks: AsyncIterable<Uint8Array>) => {
      for await (const entry of tarEntries(chunks, (path) => waiting.get(path)?.maxBytes)) {
        const member = waiting.get(entry.path);
        if (member === undefined || entry.content === undefined) continue;
        await keep(entry.content, join(folder, member.keepAs));
        waiting.delete(entry.path);
      }
    });
  } catch (thrown) {
    if (thrown instanceof OfframpError || !isDamage(thrown)) throw thrown;
    throw new OfframpError('DATA_CORRUPT', `${archive}: ${thrown.message}`, { cause: thrown });
  }
  if (waiting.size > 0) {
    throw new OfframpError('DATA_CORRUPT', `${archive} lacks ${[...waiting.keys()].join(', ')}`);
  }
}

async function keep(content: Uint8Array, target: string): Promise<void> {
  await writeFile(`${target}.partial`, target.endsWith('.gz') ? await compress(content) : content);
  await rename(`${target}.partial`, target);
}

/** A fault of the archive's bytes, as against one of the disk. */
function isDamage(thrown: unknown): thrown is Error {
  if (thrown instanceof RangeError) return true;
  return thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('Z_');
}

/**
 * Reads a tar stream entry by entry. `limitFor` says how many bytes of a path are wanted at most; `undefined` passes it over.
 *
 * @throws RangeError when a header's sum is wrong, a wanted file is larger than its limit, or the stream ends inside a file.
 */
export async function* tarEntries(
  chunks: AsyncIterable<Uint8Array>,
  limitFor: (path: string) => number | undefined,
): AsyncGenerator<TarEntry> {
  const reader = new BlockReader(chunks);
  for (;;) {
    const header = await reader.read(blockBytes);
    if (header === undefined || header.every((byte) => byte === 0)) return;
    const { path, bytes, isFile } = parseHeader(header);
    const limit = isFile ? limitFor(path) : undefined;
    const content =
      limit === undefined ? await reader.skip(bytes) : await readFile(reader, path, bytes, limit);
    await reader.skip((blockBytes - (bytes % blockBytes)) % blockBytes);
    if (isFile) yield { path, bytes, content };
  }
}

async function readFile(
  reader: BlockReader,
  path: string,
  bytes: number,
  limit: number,
): Promise<Uint8Array> {
  if (bytes > limit) throw new RangeError(`${path} has ${bytes} bytes, more than the ${limit} expected`);
  const content = await reader.read(bytes);
  if (content === undefined) throw new RangeError(`the archive ends inside ${path}`);
  return content;
}

function parseHeader(header: Uint8Array): { path: string; bytes: number; isFile: boolean } {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (sum !== octal(header, 148, 8)) throw new RangeError('a tar header has a wrong checksum');
  const name = text(header, 0, 100);
  const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : '';
  const type = header[156];
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    bytes: octal(header, 124, 12),
    isFile: type === 0 || type === 0x30,
  };
}

function text(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end === -1 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, start: number, length: number): number {
  const digits = text(header, start, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new RangeError(`a tar header holds '${digits}' for a number`);
  return Number.parseInt(digits, 8);
}

/** Cuts a stream of chunks into pieces of a wanted size. */
class BlockReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `bytes` bytes, or `undefined` when the stream ends before. */
  async read(bytes: number): Promise<Uint8Array | undefined> {
    const piece = new Uint8Array(bytes);
    const filled = await this.#take(bytes, (part, at) => piece.set(part, at));
    return filled === bytes ? piece : undefined;
  }

  async skip(bytes: number): Promise<undefined> {
    await this.#take(bytes, () => undefined);
  }

  async #take(bytes: number, use: (part: Uint8Array, at: number) => void): Promise<number> {
    let at = 0;
    while (at < bytes) {
      if (this.#left.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) return at;
        this.#left = next.value;
      }
      const part = this.#left.subarray(0, bytes - at);
      this.#left = this.#left.subarray(part.length);
      use(part, at);
      at += part.length;
    }
    return at;
  }
}
