import { type Codec, parseCutTables } from '../codec/index.ts';
import { OfframpError, reasonOf } from '../errors.ts';
import type { ExitRecords } from '../exits/index.ts';
import { fileEntries } from './check.ts';
import { CutCodecs } from './cut-codecs.ts';
import { digestOf, verifyFile } from './digest.ts';
import { parseManifest } from './manifest.ts';
import { parseRecords } from './records.ts';
import type { CutSpec, ExitSpec, FileEntry, Manifest, SegmentSpec } from './schema.ts';

/** Reads one file of a bundle by its plain name; what it throws becomes the cause of `BUNDLE_FILE_MISSING`. */
export type ReadFile = (name: string) => Promise<Uint8Array>;

export interface OpenBundleOptions {
  /** Indices of the segments to read, such as `[0]` on a device; all when absent. Decides which codecs there are, too. */
  readonly segments?: readonly number[];
}

/** A segment that was read and whose digest was checked. */
export interface LoadedSegment {
  readonly index: number;
  readonly spec: SegmentSpec;
  /** The ONNX graph. */
  readonly bytes: Uint8Array;
}

/** An open bundle: its manifest, and the segments and codecs that this side needs. */
export interface Bundle {
  readonly manifest: Manifest;
  /** SHA-256 of the bytes of manifest.json, 64 hex digits. It covers every file, as the manifest holds their digests. */
  readonly digest: string;
  /** One place per segment of the manifest; `undefined` where `openBundle` was not asked to read it. */
  readonly segments: readonly (LoadedSegment | undefined)[];
  /** The segment, or `BUNDLE_FILE_MISSING` when there is none or it was not read. */
  segment(index: number): LoadedSegment;
  /**
   * The codec of cut 1 to n - 1: of all channels of its codes, or of the first `channels` of them, which must be one of the
   * cut's rates. The codes that it takes are then the first `count` of the tensor. Throws `CUT_UNSUPPORTED` when no codes
   * cross the cut or neither of its segments was read, `RATE_UNSUPPORTED` when the cut has no such rate.
   */
  codec(cut: number, channels?: number): Codec;
  /** Name, temperature and threshold of the exit that ends segment `index`; `RangeError` when there is none. */
  exit(index: number): ExitSpec;
  /** Reads and verifies any file of the manifest: `BUNDLE_FILE_MISSING`, `BUNDLE_FILE_CORRUPT`. Nothing is kept. */
  read(file: string): Promise<Uint8Array>;
  /** Reads and verifies the exit records of a split; errors as `read`, `BUNDLE_FILE_MISSING` for an unknown split. */
  records(split: string): Promise<ExitRecords>;
}

/**
 * Opens the bundle behind `readFile`: reads and checks the manifest, then reads and verifies the segments asked for and
 * the tables of the cuts at their ends. Records and the whole network are read on demand.
 *
 * Throws `BUNDLE_MANIFEST_INVALID`, `BUNDLE_FILE_MISSING` and `BUNDLE_FILE_CORRUPT`, each naming the file, and
 * `CONFIG_INVALID` for an index in `options.segments` that is none.
 */
export async function openBundle(readFile: ReadFile, options: OpenBundleOptions = {}): Promise<Bundle> {
  const manifestBytes = await readNamed(readFile, 'manifest.json');
  const manifest = parseManifest(manifestBytes);
  const digest = await digestOf(manifestBytes);
  const wanted = wantedSegments(manifest, options.segments);
  const segments = await Promise.all(
    manifest.segments.map(async (spec, index) =>
      wanted.has(index) ? { index, spec, bytes: await readVerified(readFile, spec) } : undefined,
    ),
  );
  const codecs = await Promise.all(
    manifest.cuts.map(async (cut, index) =>
      wanted.has(index) || wanted.has(index + 1)
        ? openCodecs(readFile, cut, manifest.segments[index])
        : undefined,
    ),
  );
  return new OpenBundle(readFile, manifest, digest, segments, codecs);
}

class OpenBundle implements Bundle {
  readonly manifest: Manifest;
  readonly digest: string;
  readonly segments: readonly (LoadedSegment | undefined)[];
  readonly #codecs: readonly (CutCodecs | undefined)[];
  readonly #readFile: ReadFile;

  constructor(
    readFile: ReadFile,
    manifest: Manifest,
    digest: string,
    segments: readonly (LoadedSegment | undefined)[],
    codecs: readonly (CutCodecs | undefined)[],
  ) {
    this.#readFile = readFile;
    this.manifest = manifest;
    this.digest = digest;
    this.segments = segments;
    this.#codecs = codecs;
  }

  segment(index: number): LoadedSegment {
    const segment = this.segments[index];
    if (segment !== undefined) return segment;
    const read = this.segments.flatMap((loaded) => (loaded === undefined ? [] : [loaded.index]));
    throw new OfframpError(
      'BUNDLE_FILE_MISSING',
      `${this.manifest.id}: got segment ${index}, expected one that was read: ${read.join(', ')}`,
    );
  }

  codec(cut: number, channels?: number): Codec {
    const codecs = this.#codecs[cut - 1];
    if (codecs === undefined) throw this.#cutUnsupported(cut);
    const codec = channels === undefined ? codecs.all : codecs.ofRate(channels);
    if (codec !== undefined) return codec;
    throw new OfframpError(
      'RATE_UNSUPPORTED',
      `${this.manifest.id}: got a rate of ${channels} channels at cut ${cut}, expected one of: ${codecs.rates.join(', ')}`,
    );
  }

  #cutUnsupported(cut: number): OfframpError {
    const open = this.#codecs.flatMap((opened, index) => (opened === undefined ? [] : [index + 1]));
    return new OfframpError(
      'CUT_UNSUPPORTED',
      `${this.manifest.id}: got cut ${cut}, expected one with codes and a segment that was read: ${open.join(', ') || 'none'}`,
    );
  }

  exit(index: number): ExitSpec {
    const exit = this.manifest.exits[index];
    if (exit !== undefined) return exit;
    throw new RangeError(`got exit ${index}, expected 0 to ${this.manifest.exits.length - 1}`);
  }

  async read(file: string): Promise<Uint8Array> {
    const found = fileEntries(this.manifest).find(({ entry }) => entry.file === file);
    if (found !== undefined) return readVerified(this.#readFile, found.entry);
    throw new OfframpError('BUNDLE_FILE_MISSING', `got file ${file}, expected one that manifest.json lists`);
  }

  async records(split: string): Promise<ExitRecords> {
    const spec = this.manifest.records.find((candidate) => candidate.split === split);
    if (spec === undefined) {
      const splits = this.manifest.records.map((candidate) => candidate.split).join(', ') || 'none';
      throw new OfframpError(
        'BUNDLE_FILE_MISSING',
        `${this.manifest.id}: got records of split ${split}, expected one of: ${splits}`,
      );
    }
    const { exits, classes } = this.manifest;
    const shape = { images: spec.images, exits: exits.length, classes: classes.length, file: spec.file };
    return parseRecords(await this.read(spec.file), shape);
  }
}

function wantedSegments(manifest: Manifest, asked: readonly number[] | undefined): ReadonlySet<number> {
  const all = manifest.segments.map((_, index) => index);
  const unknown = asked?.find((index) => !all.includes(index));
  if (unknown === undefined) return new Set(asked ?? all);
  throw new OfframpError('CONFIG_INVALID', `segments: got ${unknown}, expected 0 to ${all.length - 1}`);
}

async function openCodecs(
  readFile: ReadFile,
  cut: CutSpec,
  segment: SegmentSpec | undefined,
): Promise<CutCodecs | undefined> {
  if (segment?.codes === undefined) return undefined;
  const { shape } = segment.codes;
  if (cut.tables === undefined) return new CutCodecs(shape, cut, undefined);
  const tables = parseCutTables(await readVerified(readFile, cut.tables), cut.tables);
  return new CutCodecs(shape, cut, tables);
}

async function readVerified(readFile: ReadFile, entry: FileEntry): Promise<Uint8Array> {
  const bytes = await readNamed(readFile, entry.file);
  await verifyFile(entry, bytes);
  return bytes;
}

async function readNamed(readFile: ReadFile, name: string): Promise<Uint8Array> {
  try {
    return await readFile(name);
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new OfframpError(
      'BUNDLE_FILE_MISSING',
      `${name}: got no file (${reason}), expected it in the bundle`,
      {
        cause,
      },
    );
  }
}
