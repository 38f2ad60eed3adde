import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../edge/agent/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { startPair } from '../pair.ts';
import { standIns } from './samples.ts';

export interface CallTimes {
  /** From the caller to the agent and back, ascending quantiles. */
  readonly callMs: readonly number[];
  /** A round trip between agent and server on one machine, less queue and computation. */
  readonly aroundMs: readonly number[];
}

const keptQuantiles = 101;
const warmUpCalls = 20;

/** Starts a server and an agent as processes of their own, and posts picture files to the agent that it passes on as they are. */
export async function timeCalls(
  bundle: string,
  file: (index: number) => Uint8Array,
  calls: number,
  pauseMs: number,
): Promise<CallTimes> {
  const pair = await startPair({ bundle, edge: ['--cut', '0', '--audit-share', '0'], cloud: [] });
  const callMs: number[] = [];
  const aroundMs: number[] = [];
  try {
    for (let call = 0; call < warmUpCalls + calls; call++) {
      await sleep(pauseMs);
      const beganMs = performance.now();
      const { latencyMs, stagesMs, degraded } = await classify(pair.edge.url, file(call));
      const tookMs = performance.now() - beganMs;
      if (call < warmUpCalls || degraded) continue;
      callMs.push(tookMs - latencyMs);
      aroundMs.push(stagesMs.network);
    }
  } finally {
    await pair.stop();
  }
  if (aroundMs.length === 0)
    throw new OfframpError('INTERNAL', 'The server answered none of the pictures in time');
  return { callMs: standIns(callMs, keptQuantiles), aroundMs: standIns(aroundMs, keptQuantiles) };
}

async function classify(edgeUrl: string, file: Uint8Array): Promise<Answer> {
  const body = new Uint8Array(file);
  const response = await fetch(`${edgeUrl}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body,
  });
  if (!response.ok)
    throw new OfframpError('INTERNAL', `The agent said ${response.status}: ${await response.text()}`);
  // The agent's own answer, in the form of its OpenAPI document.
  const { answers } = (await response.json()) as { answers: Answer[] };
  const [answer] = answers;
  if (answer === undefined) throw new OfframpError('INTERNAL', 'The agent gave no answer');
  return answer;
}
