/** Images for the end-to-end tests, bundles that offload all of them, and the edge daemon's HTTP API as a caller sees it. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { type LabelledImages, readIdxPair } from '../../scripts/data/index.ts';
import { committedBundle, projectFolder, removeLater, type Server } from './support.ts';

/** The first digits that the project draws itself, 28 x 28, all 600 unless told. */
export function samples(limit = 600): LabelledImages {
  const drawn = (part: string) => join(projectFolder, 'models', 'samples', `drawn-digits-${part}-ubyte.gz`);
  const all = readIdxPair(drawn('images-idx3'), drawn('labels-idx1'));
  return { ...all, count: Math.min(limit, all.count) };
}

/** An empty folder that goes when the test ends. */
export function temporaryFolder(): string {
  return removeLater(mkdtempSync(join(tmpdir(), 'offramp-e2e-')));
}

interface EditableManifest {
  readonly segments: { sha256: string }[];
  readonly exits: { threshold?: number }[];
  readonly cuts: { rates?: unknown }[];
  readonly records: readonly { readonly split: string; readonly images: number }[];
  readonly training: { dataset?: unknown };
}

/** A copy of the committed bundle with an edited manifest, and so with a digest of its own. */
export function editedBundle(edit: (manifest: EditableManifest) => void): string {
  const folder = temporaryFolder();
  cpSync(committedBundle, folder, { recursive: true });
  const file = join(folder, 'manifest.json');
  const manifest: EditableManifest = JSON.parse(readFileSync(file, 'utf8'));
  edit(manifest);
  writeFileSync(file, JSON.stringify(manifest));
  return folder;
}

/** A copy of the committed bundle whose branch is never confident: every image is offloaded. */
export function offloadingBundle(): string {
  return editedBundle((manifest) => {
    const [branch] = manifest.exits;
    if (branch !== undefined) branch.threshold = 0;
  });
}

/** An answer as the daemon's JSON has it. */
export type JsonAnswer = Omit<Answer, 'probabilities'> & {
  readonly id: string;
  readonly probabilities: readonly number[];
};

/** What the tests compare of an answer, whichever way it came. */
export type Outcome = Pick<Answer, 'label' | 'route' | 'degraded' | 'reason' | 'latencyMs' | 'device'>;

export interface ClassifyOptions {
  readonly budgetMs?: number;
  readonly token?: string;
}

/** Posts raw images in one request; gives back the HTTP response. */
export function postRaw(
  edge: Pick<Server, 'url'>,
  pixels: Uint8Array,
  { budgetMs, token }: ClassifyOptions = {},
): Promise<Response> {
  const query = budgetMs === undefined ? '' : `?budgetMs=${budgetMs}`;
  return fetch(`${edge.url}/v1/classify${query}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/octet-stream',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: new Uint8Array(pixels),
  });
}

/** Has one image answered by an edge daemon, and checks that it is one answer. */
export async function classify(
  edge: Pick<Server, 'url'>,
  image: Uint8Array,
  options: ClassifyOptions = {},
): Promise<JsonAnswer> {
  return onlyAnswer(await postRaw(edge, image, options));
}

/** The same with a picture under a name of its own, which the answer has to carry. */
export async function classifyNamed(
  edge: Pick<Server, 'url'>,
  id: string,
  picture: Uint8Array,
): Promise<JsonAnswer> {
  const response = await fetch(`${edge.url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ images: [{ id, data: Buffer.from(picture).toString('base64') }] }),
  });
  const answer = await onlyAnswer(response);
  assert.is(answer.id, id, 'the answer is that of another image');
  return answer;
}

async function onlyAnswer(response: Response): Promise<JsonAnswer> {
  const text = await response.text();
  assert.is(response.status, 200, text);
  const { answers }: { answers: JsonAnswer[] } = JSON.parse(text);
  const [answer] = answers;
  assert.is(answers.length, 1, 'one answer per image');
  if (answer === undefined) throw new Error('an empty list of answers');
  return answer;
}

/** The pictures of images, encoded without loss. */
export function pictures(images: LabelledImages): Promise<Uint8Array[]> {
  const [height = 0, width = 0] = images.shape;
  return Promise.all(
    Array.from({ length: images.count }, async (_, index) => {
      const raw = { width, height, channels: 1 as const };
      return new Uint8Array(await sharp(images.image(index), { raw }).png().toBuffer());
    }),
  );
}

/** What an image should be answered with: by both sides together, and by the device alone. */
export interface Reference {
  readonly label: number;
  readonly deviceLabel: number;
}

/** Has every sample answered once by both sides together, none of them degraded. */
export async function references(
  images: LabelledImages,
  ask: (image: Uint8Array, index: number) => Promise<Outcome>,
): Promise<Reference[]> {
  const found: Reference[] = [];
  await inLanes(16, images.count, async (index) => {
    const { label, device, degraded, reason } = await ask(images.image(index), index);
    assert.not(degraded, `image ${index} is degraded: ${reason}`);
    found[index] = { label, deviceLabel: device?.label ?? -1 };
  });
  return found;
}

/** Calls `work` for 0 to count - 1, `lanes` at a time. */
export async function inLanes(
  lanes: number,
  count: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Counts answers by their route or, when degraded, by the reason. */
export function countWays(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { route, reason } of outcomes) {
    const way = reason ?? route;
    counts[way] = (counts[way] ?? 0) + 1;
  }
  return counts;
}
