import * as assert from 'uvu/assert';
import { type RunningAgent, startAgent } from '../../edge/daemon/index.ts';
import { inLanes } from '../e2e/images.ts';
import { waitUntil } from '../e2e/support.ts';

/** What a cloud server made of an image. */
export interface CloudAnswer {
  readonly label: number;
  readonly probabilities: readonly number[];
}

/** Sends images to a cloud server, which runs every segment, and gives its answers; a degraded one fails. */
export async function cloudAnswers(
  cloudUrl: string,
  bundleFolder: string,
  images: readonly Uint8Array[],
): Promise<CloudAnswer[]> {
  const running = await startAgent({
    ...{
      bundleFolder,
      cloudUrls: [cloudUrl],
      cut: 0,
      budgetMs: 120_000,
      maxInFlight: 256,
      workers: 1,
      threadsPerWorker: 1,
    },
    version: 'test',
    onEvent: () => {},
  });
  try {
    await waitUntil(() => running.cloud?.connected === true, 'the agent to connect');
    return await askAll(running, images);
  } finally {
    await running.stop();
  }
}

async function askAll({ agent }: RunningAgent, images: readonly Uint8Array[]): Promise<CloudAnswer[]> {
  const answers: CloudAnswer[] = [];
  await inLanes(8, images.length, async (index) => {
    const image = images[index] ?? new Uint8Array(0);
    const { label, probabilities, route, degraded, reason } = await agent.classify(image);
    assert.is(`${route} ${degraded} ${reason ?? ''}`, 'image false ', `image ${index}`);
    answers[index] = { label, probabilities: [...probabilities] };
  });
  return answers;
}

/** How two lists of answers differ: labels that are not the same, and the largest difference of a probability. */
export function compareAnswers(
  some: readonly CloudAnswer[],
  others: readonly CloudAnswer[],
): { readonly differing: number; readonly worst: number } {
  assert.is(some.length, others.length);
  let differing = 0;
  let worst = 0;
  for (const [index, { label, probabilities }] of some.entries()) {
    const other = others[index];
    if (label !== other?.label) differing++;
    for (const [at, value] of probabilities.entries()) {
      worst = Math.max(worst, Math.abs(value - (other?.probabilities[at] ?? Number.NaN)));
    }
  }
  return { differing, worst };
}
