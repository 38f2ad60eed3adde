/** When images come to a device. */
export type Arrivals =
  /** One after the other in random gaps, as of many independent sources. */
  | { readonly kind: 'poisson'; readonly imagesPerSecond: number }
  /** A camera. */
  | { readonly kind: 'periodic'; readonly imagesPerSecond: number }
  /** Groups at random moments, their images at once. */
  | { readonly kind: 'bursty'; readonly imagesPerSecond: number; readonly burstImages: number }
  /** Moments in milliseconds, ascending; begins again after `lengthMs`. */
  | { readonly kind: 'trace'; readonly atMs: readonly number[]; readonly lengthMs: number };

/** The next moment at which so many images come. */
export interface Arrival {
  readonly atMs: number;
  readonly images: number;
}

/** Moments from 0 on, ascending, without end. The same numbers from `random` give the same moments. */
export function arrivalTimes(arrivals: Arrivals, random: () => number): () => Arrival {
  switch (arrivals.kind) {
    case 'poisson':
      return bursts(arrivals.imagesPerSecond, 1, random);
    case 'bursty':
      return bursts(arrivals.imagesPerSecond, arrivals.burstImages, random);
    case 'periodic': {
      const gapMs = 1000 / arrivals.imagesPerSecond;
      // Cameras do not all click together.
      const firstMs = random() * gapMs;
      let index = 0;
      return () => ({ atMs: firstMs + gapMs * index++, images: 1 });
    }
    case 'trace': {
      const { atMs, lengthMs } = arrivals;
      let index = 0;
      return () => {
        const round = Math.floor(index / atMs.length);
        const place = index++ % atMs.length;
        return { atMs: round * lengthMs + (atMs[place] ?? 0), images: 1 };
      };
    }
  }
}

function bursts(imagesPerSecond: number, images: number, random: () => number): () => Arrival {
  const gapMs = (1000 * images) / imagesPerSecond;
  let atMs = 0;
  return () => {
    atMs -= gapMs * Math.log(1 - random());
    return { atMs, images };
  };
}
