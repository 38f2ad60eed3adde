import type { LabelledImages } from '../../data/index.ts';

/** Images that travel through the networks together. */
export interface ImageBatch {
  /** Pixels of each, views into the data set. */
  readonly images: readonly Uint8Array[];
  /** Class of each. */
  readonly labels: readonly number[];
}

const batchRows = 100;

/** Cuts the images of the numbers `chosen` into batches. */
export function batchesOf(images: LabelledImages, chosen: readonly number[]): ImageBatch[] {
  const starts = Array.from(
    { length: Math.ceil(chosen.length / batchRows) },
    (_, batch) => batch * batchRows,
  );
  return starts.map((start) => {
    const numbers = chosen.slice(start, start + batchRows);
    return {
      images: numbers.map((number) => images.image(number)),
      labels: numbers.map((number) => images.labels[number] ?? -1),
    };
  });
}

/** Joins rows of one length to a tensor of its own memory. */
export function stack(rows: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = rows[0]?.length ?? 0;
  const tensor = new Uint8Array(rows.length * size);
  for (const [index, row] of rows.entries()) tensor.set(row, index * size);
  return tensor;
}

/** Runs `work` on every item, at most `parallel` at a time. The first failure ends it, once what was under way has ended. */
export async function inParallel<Item>(
  items: readonly Item[],
  parallel: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const run = async () => {
    while (!failed) {
      const item = items[next++];
      if (item === undefined) return;
      await work(item).catch((thrown: unknown) => {
        failed = true;
        throw thrown;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: parallel }, run));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
