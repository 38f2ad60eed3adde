import { seededRandom } from '../../calibrate/random.ts';

/** Requests for one model. */
export interface Stream {
  readonly ratePerSecond: number;
  /** How often each kind of image comes, on any scale, [kinds]. */
  readonly kindWeights: readonly number[];
}

/** Requests of one row each, in the order of their arrival; all arrays are [requests]. */
export interface Workload {
  readonly atMs: Float64Array;
  readonly stream: Uint16Array;
  readonly kind: Uint16Array;
  /** Draws, from 0 to below 1, what a batch takes whose first request this is: whoever serves it so, it takes the same. */
  readonly luck: Float64Array;
}

/** Independent Poisson arrivals on every stream. The same seed gives the same requests, whatever else happens. */
export function poissonWorkload(streams: readonly Stream[], seconds: number, seed: number): Workload {
  const all = streams.flatMap((stream, index) => arrivals(stream, index, seconds, seed));
  all.sort((one, other) => one.atMs - other.atMs || one.stream - other.stream);
  return {
    atMs: Float64Array.from(all, ({ atMs }) => atMs),
    stream: Uint16Array.from(all, ({ stream }) => stream),
    kind: Uint16Array.from(all, ({ kind }) => kind),
    luck: Float64Array.from(all, ({ luck }) => luck),
  };
}

interface Arrival {
  readonly atMs: number;
  readonly stream: number;
  readonly kind: number;
  readonly luck: number;
}

function arrivals(own: Stream, stream: number, seconds: number, seed: number): Arrival[] {
  const random = seededRandom(streamSeed(seed, stream));
  const pickKind = weightedPick(own.kindWeights);
  const gapMs = () => (-Math.log(1 - random()) * 1000) / own.ratePerSecond;
  const found: Arrival[] = [];
  for (let atMs = gapMs(); atMs < seconds * 1000; atMs += gapMs()) {
    found.push({ atMs, stream, kind: pickKind(random()), luck: random() });
  }
  return found;
}

/** Seeds that lie side by side would give the streams the same numbers, shifted. */
function streamSeed(seed: number, stream: number): number {
  return (seed ^ Math.imul(stream + 1, 0x9e3779b1)) >>> 0;
}

/** Picks a place by its weight for a number from 0 to below 1. */
export function weightedPick(weights: readonly number[]): (value: number) => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  const ends = weights.map((weight) => {
    sum += weight;
    return sum / total;
  });
  return (value) => {
    const place = ends.findIndex((end) => value < end);
    return place === -1 ? weights.length - 1 : place;
  };
}
