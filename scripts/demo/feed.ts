import { OfframpError } from '../../shared/errors.ts';
import type { DemoImages } from './images.ts';
import type { DemoAnswer, Tally } from './tally.ts';

export interface FeedOptions {
  readonly edgeUrl: string;
  readonly images: DemoImages;
  readonly tally: Tally;
  readonly budgetMs: number;
  /** Images per second; as fast as answers come when absent. */
  readonly rate?: number | undefined;
  /** Stop after every image was sent once. */
  readonly passes: 'one' | 'endless';
  readonly stopped: () => boolean;
}

const lanes = 8;

/** Posts images to the edge daemon, a few at a time, until all are sent or `stopped` says so. */
export async function feed(options: FeedOptions): Promise<void> {
  const { images, rate, passes, stopped } = options;
  const startedAt = performance.now();
  let next = 0;
  const lane = async () => {
    while (!stopped() && (passes === 'endless' || next < images.count)) {
      const turn = next++;
      if (rate !== undefined) await sleepUntil(startedAt + (turn * 1000) / rate);
      if (!stopped()) await send(turn % images.count, options);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function send(index: number, { edgeUrl, images, tally, budgetMs }: FeedOptions): Promise<void> {
  try {
    const response = await fetch(`${edgeUrl}/v1/classify?budgetMs=${budgetMs}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...authorization() },
      body: new Uint8Array(images.image(index)),
    });
    if (!response.ok) throw new OfframpError('INTERNAL', await response.text());
    const { answers } = (await response.json()) as { answers: DemoAnswer[] };
    for (const answer of answers) tally.add(index, images.truth(index), answer);
  } catch {
    tally.failed++;
  }
}

function authorization(): Record<string, string> {
  const token = process.env.OFFRAMP_EDGE_TOKEN?.split(',')[0];
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

async function sleepUntil(momentMs: number): Promise<void> {
  const left = momentMs - performance.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
