/** Where the time went, as one bar. */
import type { Answer } from '../web/index.ts';

export type Place = 'here' | 'between' | 'there' | 'around';

export interface StagePart {
  readonly place: Place;
  readonly words: string;
  readonly ms: number;
}

/** What the page itself adds to an answer, milliseconds. */
export interface PageTimes {
  /** Picture to pixels of the network's size. */
  readonly prepareMs: number;
  /** From the picture to the answer, as the page sees it. */
  readonly totalMs: number;
}

/**
 * The parts of the bar, which add up to `totalMs`. What neither the agent nor the page's preparation accounts for is the way
 * between the page and its worker.
 */
export function stageParts(
  answer: Pick<Answer, 'bytesSent' | 'latencyMs' | 'stagesMs'>,
  page: PageTimes,
): StagePart[] {
  const { stagesMs, latencyMs, bytesSent } = answer;
  const { prepare, device, exit, encode, network, cloudQueue, cloudRun } = stagesMs;
  const own = Math.max(0, page.totalMs - page.prepareMs - latencyMs);
  // Of an answer that sent nothing it is what the agent does besides.
  const messages = bytesSent === 0 ? own + network : own;
  const parts: StagePart[] = [
    { place: 'around', words: 'picture to pixels', ms: page.prepareMs + prepare },
    { place: 'around', words: 'page to its worker and back', ms: messages },
    { place: 'here', words: 'segments on this device', ms: device },
    { place: 'here', words: 'decision', ms: exit },
    { place: 'here', words: 'codes to bytes', ms: encode },
    { place: 'between', words: 'link, there and back', ms: bytesSent === 0 ? 0 : network },
    { place: 'there', words: 'queue of the server', ms: cloudQueue },
    { place: 'there', words: 'segments on the server', ms: cloudRun },
  ];
  return parts.filter(({ ms }) => ms > 0);
}
