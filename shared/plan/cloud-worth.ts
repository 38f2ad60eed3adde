import type { ExitTable } from '../exits/index.ts';

const bins = 24;
/** Images of which the cloud is worth least are still worth so much: records are few, and gains of single bins noise. */
const leastWorth = 0.1;

/** What the cloud adds to the answer of one exit, by how unsure that exit is. */
export interface CloudWorth {
  /**
   * By how much likelier the last exit is right than this one at an entropy, as a share of what that is for the images of which the exit is
   * least sure; 0.1 to 1.
   */
  at(entropy: number): number;
}

/** From records: images in order of their entropy at the exit, in bins of as many each, straight between the bins. */
export function cloudWorth(table: ExitTable, exit: number): CloudWorth {
  const entropies = table.entropies[exit] ?? new Float64Array(0);
  const order = Uint32Array.from(entropies, (_, image) => image).sort(
    (one, other) => (entropies[one] ?? 0) - (entropies[other] ?? 0),
  );
  const middles: number[] = [];
  const gains: number[] = [];
  for (let bin = 0; bin < bins; bin++) {
    const images = order.subarray((bin * order.length) / bins, ((bin + 1) * order.length) / bins);
    if (images.length === 0) continue;
    let [entropy, gain] = [0, 0];
    for (const image of images) {
      entropy += (entropies[image] ?? 0) / images.length;
      gain += (isRight(table, table.exits - 1, image) - isRight(table, exit, image)) / images.length;
    }
    middles.push(entropy);
    // What an unsurer image gains less is noise: it is worth at least as much.
    gains.push(Math.max(gain, gains.at(-1) ?? 0));
  }
  const most = gains.at(-1) ?? 0;
  return { at: (entropy) => (most > 0 ? Math.max(leastWorth, along(middles, gains, entropy) / most) : 1) };
}

function isRight({ answers, labels }: ExitTable, exit: number, image: number): 0 | 1 {
  return answers[exit]?.[image] === labels[image] ? 1 : 0;
}

/** Straight between the points, and level beyond them. */
function along(places: readonly number[], values: readonly number[], place: number): number {
  const after = places.findIndex((one) => one >= place);
  if (after === -1) return values.at(-1) ?? 0;
  if (after === 0) return values[0] ?? 0;
  const [from, to] = [places[after - 1] ?? 0, places[after] ?? 0];
  const [low, high] = [values[after - 1] ?? 0, values[after] ?? 0];
  return to > from ? low + ((high - low) * (place - from)) / (to - from) : high;
}
