/**
 * Measures several ways of answering an image side by side. They take turns in short blocks, forwards and backwards, so that
 * whatever else the machine does falls on all of them alike.
 */

/**
 * Images a lane answers before it is the next one's turn: few enough that the load of the machine is the same for all, enough that
 * most images find the caches as the same network left them.
 */
export const blockImages = 10;

/** One block of one lane: which lane and which images, by their places in the sample. */
export interface Turn {
  readonly lane: number;
  readonly first: number;
  readonly end: number;
}

/** The order of a run: every lane answers every image of the sample, block by block, each other block in reverse order of lanes. */
export function turns(lanes: number, images: number, block = blockImages): Turn[] {
  const forwards = Array.from({ length: lanes }, (_, lane) => lane);
  const backwards = forwards.toReversed();
  return Array.from({ length: Math.ceil(images / block) }, (_, index) => {
    const first = index * block;
    const end = Math.min(images, first + block);
    return (index % 2 === 0 ? forwards : backwards).map((lane) => ({ lane, first, end }));
  }).flat();
}

/** Places of a sample of `wanted` images spread evenly over `images`, the first image among them; all when there are no more. */
export function spread(images: number, wanted: number): number[] {
  const count = Math.min(images, wanted);
  return Array.from({ length: count }, (_, index) => Math.floor((index * images) / count));
}

/** How many times as long the first lane takes as the second, over the same images. */
export interface Gain {
  /** Mean time of the first over mean time of the second. */
  readonly ratio: number;
  /** Jackknife over blocks: one block left out at a time. `null` with fewer than two blocks. */
  readonly standardError: number | null;
}

/** The gain of `faster` over `slower`, both milliseconds of the same images in the same order. */
export function gainOf(slower: readonly number[], faster: readonly number[], block = blockImages): Gain {
  const above = blockSums(slower, block);
  const below = blockSums(faster, block);
  const [sumAbove, sumBelow] = [sum(above), sum(below)];
  const ratio = sumAbove / sumBelow;
  const leftOut = above.map((own, index) => (sumAbove - own) / (sumBelow - (below[index] ?? 0)));
  const centre = sum(leftOut) / leftOut.length;
  const squares = sum(leftOut.map((value) => (value - centre) ** 2));
  const blocks = leftOut.length;
  return { ratio, standardError: blocks < 2 ? null : Math.sqrt(((blocks - 1) / blocks) * squares) };
}

function blockSums(values: readonly number[], block: number): number[] {
  return Array.from({ length: Math.ceil(values.length / block) }, (_, index) =>
    sum(values.slice(index * block, (index + 1) * block)),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
