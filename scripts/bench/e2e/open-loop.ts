import type { DeviceCourse } from '../../simulate/index.ts';

/** An image that comes to a device. */
export interface ComingImage {
  /** After the start. */
  readonly atMs: number;
  readonly image: number;
}

/** What comes to a device until `untilMs`, of so many images. A course can be followed once. */
export function* comingImages(
  { nextArrival, firstImage }: DeviceCourse,
  images: number,
  untilMs: number,
): Generator<ComingImage> {
  let image = firstImage;
  for (let arrival = nextArrival(); arrival.atMs < untilMs; arrival = nextArrival()) {
    for (let one = 0; one < arrival.images; one++) {
      yield { atMs: arrival.atMs, image };
      image = (image + 1) % images;
    }
  }
}

export interface OpenLoop {
  readonly coming: Iterable<ComingImage>;
  /** `performance.now()` of the start. */
  readonly startMs: number;
  /** Begins to send at once; resolves when it is known what became of it, and never rejects. */
  readonly send: (coming: ComingImage) => Promise<void>;
  /** Told how much later than intended each image was sent. */
  readonly onSent: (lateMs: number) => void;
}

/** Sends every image at its moment, whatever became of those before; resolves when all are settled. */
export async function sendOpenLoop({ coming, startMs, send, onSent }: OpenLoop): Promise<void> {
  const underway = new Set<Promise<unknown>>();
  for (const one of coming) {
    const dueMs = startMs + one.atMs;
    await untilMoment(dueMs);
    const lateMs = performance.now() - dueMs;
    const sending: Promise<unknown> = send(one).then(() => underway.delete(sending));
    underway.add(sending);
    onSent(lateMs);
  }
  await Promise.all(underway);
}

/** Node's timers count whole milliseconds and are late by about one more. */
const timerSlackMs = 2;

/** Sleeps until shortly before; the rest goes by in turns of the event loop, so that answers are read meanwhile. */
function untilMoment(dueMs: number): Promise<void> {
  return new Promise((resolve) => {
    const turn = () => {
      const leftMs = dueMs - performance.now();
      if (leftMs <= 0) resolve();
      else if (leftMs > timerSlackMs) setTimeout(turn, leftMs - timerSlackMs);
      else setImmediate(turn);
    };
    turn();
  });
}
