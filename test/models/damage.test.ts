/** Every bundle under models/, edited by hand, damaged and mixed up: each fault gives its code and names the field or the file. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Agent, type CloudLink, type Offload } from '../../edge/agent/index.ts';
import { fileEntries } from '../../shared/bundle/check.ts';
import {
  type Bundle,
  digestOf,
  type FileEntry,
  type Manifest,
  openBundle,
  parseManifest,
  type ReadFile,
} from '../../shared/bundle/index.ts';
import { systemClock } from '../../shared/clock.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { jsonBytes } from '../bundle/fixture.ts';
import { changed, type Path, pathsIn, textOf, withValue } from '../bundle/manifest-edits.ts';
import { rejectsCode, throwsCode } from '../protocol/expect.ts';
import { segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { bundleFolders, pictureFor } from './bundles.ts';
import { rowOf, runSegments } from './run-segments.ts';

function assertFault(manifest: unknown, path: Path): void {
  const where = `manifest.json: ${textOf(path)}: got `;
  throwsCode(() => parseManifest(jsonBytes(manifest)), 'BUNDLE_MANIFEST_INVALID', where);
}

/** Whether a manifest may go without the field at `path`. */
function mayGo(manifest: unknown, path: Path): boolean {
  try {
    parseManifest(jsonBytes(changed(manifest, path, (parent, key) => delete parent[key])));
    return true;
  } catch {
    return false;
  }
}

/** A reader of the same bundle with other bytes in some of its files. */
function replacing(readFile: ReadFile, files: Readonly<Record<string, Uint8Array>>): ReadFile {
  return async (name) => files[name] ?? readFile(name);
}

/** Copies of a file, each with one fault. */
function damaged(
  bytes: Uint8Array,
  other: Uint8Array,
): readonly (readonly [fault: string, bytes: Uint8Array])[] {
  const middle = bytes.length >> 1;
  return [
    ['one bit flipped', bytes.with(middle, (bytes[middle] ?? 0) ^ 0x10)],
    ['cut short', bytes.subarray(0, -1)],
    ['emptied', new Uint8Array(0)],
    ['longer', new Uint8Array(bytes.length + 1)],
    ['another file', other],
  ];
}

/** The same bundle with other bytes for segment `index`, and a manifest that was made to fit them. */
async function withSegment(
  readFile: ReadFile,
  manifest: Manifest,
  index: number,
  bytes: Uint8Array,
): Promise<Bundle> {
  const entry = { sha256: await digestOf(bytes), bytes: bytes.length };
  const segments = manifest.segments.map((spec, at) => (at === index ? { ...spec, ...entry } : spec));
  const file = manifest.segments[index]?.file ?? '';
  const files = { 'manifest.json': jsonBytes({ ...manifest, segments }), [file]: bytes };
  return openBundle(replacing(readFile, files));
}

/** Starts inference threads on a bundle's segments; whoever mixed up its graphs must be told here. */
async function assertRefused(bundle: Bundle, code: ErrorCode, index: number): Promise<void> {
  const starting = startPool(segmentGraphs(bundle)).then((pool) => pool.close());
  await rejectsCode(starting, code, `${segmentKey(bundle.manifest.id, index)}: `);
}

for (const { name, folder } of bundleFolders) {
  const readFile = bundleFolder(folder);
  const bundle = await openBundle(readFile);
  const { manifest } = bundle;

  const edited = suite(`${name}: a manifest edited by hand`);

  edited('is refused at the very field that was emptied', () => {
    for (const path of pathsIn(manifest)) assertFault(withValue(manifest, path, null), path);
  });

  edited('is refused at the very field that was taken away, or needs no such field', () => {
    const fields = pathsIn(manifest).filter((path) => typeof path.at(-1) === 'string');
    const needless = fields.filter((path) => mayGo(manifest, path)).map(textOf);
    const optional = /^(baseline|cuts\[\d+\]\.(tables|rates)|calibration\.(risk|cut|measured\.\w+))$/;
    assert.equal(
      needless.filter((path) => !optional.test(path)),
      [],
    );
    for (const path of fields.filter((candidate) => !needless.includes(textOf(candidate)))) {
      const without = changed(manifest, path, (parent, key) => delete parent[key]);
      throwsCode(() => parseManifest(jsonBytes(without)), 'BUNDLE_MANIFEST_INVALID', 'manifest.json: ');
    }
  });

  edited('is refused at the first place of a list in another order', () => {
    const reversed = (list: readonly unknown[]) => list.toReversed();
    const { segments, exits, cuts } = manifest;
    assertFault({ ...manifest, segments: reversed(segments) }, ['segments', 0, 'input', 'name']);
    assertFault({ ...manifest, exits: reversed(exits) }, ['exits', 0, 'segment']);
    if (cuts.length > 1) assertFault({ ...manifest, cuts: reversed(cuts) }, ['cuts', 0, 'after']);
  });

  edited('is refused where an exit, a cut or a segment is missing or too many', () => {
    const { segments, exits, cuts } = manifest;
    assertFault({ ...manifest, exits: exits.slice(1) }, ['exits', 'length']);
    assertFault({ ...manifest, cuts: cuts.slice(1) }, ['cuts', 'length']);
    assertFault({ ...manifest, cuts: [...cuts, ...cuts.slice(-1)] }, ['cuts', 'length']);
    assertFault({ ...manifest, segments: segments.slice(0, -1) }, ['segments', segments.length - 2, 'codes']);
  });

  edited('is refused at the dimension in which two neighbours no longer fit', () => {
    for (const [index, { codes }] of manifest.segments.entries()) {
      if (codes === undefined) continue;
      const [channels, ...rest] = codes.shape;
      const shape = [channels + 1, ...rest];
      const next = ['segments', index + 1, 'input', 'shape'];
      assertFault(withValue(manifest, ['segments', index, 'codes', 'shape'], shape), next);
      assertFault(withValue(manifest, next, shape), next);
      const bits = ['cuts', index, 'bits'];
      const tables = ['cuts', index, 'tables', 'levels'];
      if (manifest.cuts[index]?.tables !== undefined) {
        assertFault(withValue(manifest, bits, (manifest.cuts[index]?.bits ?? 0) + 1), tables);
      }
    }
  });

  edited.run();

  const files = suite(`${name}: its files`);

  files('are refused by name when they are missing, damaged, cut short or swapped', async () => {
    const entries: FileEntry[] = fileEntries(manifest).map(({ entry }) => entry);
    for (const [index, { file }] of entries.entries()) {
      const bytes = await bundle.read(file);
      const other = await bundle.read(entries.at(index - 1)?.file ?? '');
      for (const [fault, wrong] of damaged(bytes, other)) {
        const opened = await openBundle(replacing(readFile, { [file]: wrong }), { segments: [] });
        const error = await rejectsCode(opened.read(file), 'BUNDLE_FILE_CORRUPT', `${file}: got `);
        assert.ok(error.message.startsWith(file), `${fault}: ${error.message}`);
      }
    }
  });

  files('keep the bundle from opening when they belong to a segment and are damaged or missing', async () => {
    const tables = manifest.cuts.flatMap((cut) => cut.tables?.file ?? []);
    for (const file of [...manifest.segments.map((segment) => segment.file), ...tables]) {
      const bytes = await bundle.read(file);
      const wrong = bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1);
      await rejectsCode(openBundle(replacing(readFile, { [file]: wrong })), 'BUNDLE_FILE_CORRUPT', file);
      const without: ReadFile = async (wanted) => {
        if (wanted === file) throw new Error('no such file');
        return readFile(wanted);
      };
      await rejectsCode(openBundle(without), 'BUNDLE_FILE_MISSING', file);
    }
  });

  files('that are graphs of another place are refused, though the manifest lists them so', async () => {
    const { segments, whole } = manifest;
    const names = [...segments.map(({ file }) => file), whole.file];
    for (const index of segments.keys()) {
      const neighbour = await bundle.read(names[index + 1] ?? '');
      const swapped = await withSegment(readFile, manifest, index, neighbour);
      await assertRefused(swapped, 'BUNDLE_GRAPH_MISMATCH', index);
    }
  });

  files('that are half a graph are refused, though the manifest lists them so', async () => {
    for (const { index, bytes } of bundle.segments.flatMap((segment) => segment ?? [])) {
      const half = await withSegment(readFile, manifest, index, bytes.subarray(0, bytes.length >> 1));
      await assertRefused(half, 'BUNDLE_FILE_CORRUPT', index);
    }
  });

  files.run();

  const streams = suite(`${name}: its codes`);

  streams('are refused when a stream has one bit flipped, is cut short or too long', async () => {
    const pool = await startPool(segmentGraphs(bundle));
    const { codes } = await runSegments(pool, bundle, [pictureFor(manifest, 3)]).finally(() => pool.close());
    for (const [index, tensor] of codes.entries()) {
      const codec = bundle.codec(index + 1);
      const stream = codec.encode(rowOf(tensor, 1, 0));
      for (let bit = 0; bit < stream.length * 8; bit++) {
        const flipped = stream.with(bit >> 3, (stream[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
        throwsCode(() => codec.decode(flipped), 'CODES_CORRUPT', 'stream: got ');
      }
      for (let length = 0; length < stream.length; length++) {
        throwsCode(() => codec.decode(stream.subarray(0, length)), 'CODES_CORRUPT', 'stream: got ');
      }
      const long = new Uint8Array(codec.maxBytes + 1);
      throwsCode(() => codec.decode(long), 'CODES_CORRUPT', `at most ${codec.maxBytes}`);
    }
  });

  streams('are refused by value and place when one is beyond its bits', () => {
    for (const [index, { bits }] of manifest.cuts.entries()) {
      const codec = bundle.codec(index + 1);
      const codes = new Uint8Array(codec.count);
      codes[codec.count - 1] = 2 ** bits;
      const words = `got ${2 ** bits} at ${codec.count - 1}, expected 0 to ${2 ** bits - 1}`;
      throwsCode(() => codec.encode(codes), 'CODES_INVALID', words);
    }
  });

  streams(
    'beyond the bits of an edited manifest are never sent: the device answers, and says why',
    async () => {
      const exits = manifest.exits.map(({ threshold, ...exit }) =>
        threshold === undefined ? exit : { ...exit, threshold: 0 },
      );
      const cuts = manifest.cuts.map(({ after }) => ({ after, bits: 1 }));
      const narrow = { 'manifest.json': jsonBytes({ ...manifest, exits, cuts }) };
      const edited = await openBundle(replacing(readFile, narrow));
      const pool = await startPool(segmentGraphs(edited));
      try {
        for (const cut of cuts.map((_, index) => index + 1)) {
          const asked: Offload[] = [];
          const cloud: CloudLink = {
            connected: true,
            infer(offload) {
              asked.push(offload);
              return Promise.reject(new Error('asked'));
            },
          };
          const limits = { defaultBudgetMs: 60_000, maxInFlight: 1 };
          const agent = new Agent({
            bundle: edited,
            runner: pool,
            cloud,
            clock: systemClock,
            cut,
            ...limits,
          });
          const { degraded, reason, route } = await agent.classify(pictureFor(manifest, 3));
          assert.equal(
            [degraded, reason, route, asked.length],
            [true, 'CODES_INVALID', 'exit', 0],
            `cut ${cut}`,
          );
        }
      } finally {
        await pool.close();
      }
    },
  );

  streams.run();
}
