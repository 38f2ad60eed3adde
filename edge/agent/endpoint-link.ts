import { LinkEstimate, type LinkFigures, type LinkView } from '../../shared/plan/index.ts';
import type { OffloadResult } from './connection.ts';

/** A request on its way. */
export interface Underway {
  readonly sentBytes: number;
  readonly sentAtMs: number;
}

/** Before so many answers an estimate is a guess, and nothing is decided by it. */
const leastAnswers = 8;
/** Weight of the newest answer in what the server's own part takes. */
const serverWeight = 0.2;
/** Of a request given up after less than this share of its budget the server has said so, and the link is well. */
const unansweredShare = 0.9;

/** What the answers of one server tell of the way there and back, and whether the next one would come in time. Takes the time as an argument. */
export class EndpointLinkWatch {
  readonly #link = new LinkEstimate();
  /** In the order in which they were sent. */
  readonly #underway = new Set<Underway>();
  #answers = 0;
  #serverMs = 0;

  figures(nowMs: number): LinkFigures {
    return this.#link.figures(nowMs);
  }

  view(nowMs: number): LinkView {
    return this.#link.at(nowMs, this.#oldest(nowMs));
  }

  onSent(sentBytes: number, nowMs: number): Underway {
    const underway = { sentBytes, sentAtMs: nowMs };
    this.#underway.add(underway);
    return underway;
  }

  onAnswer(
    underway: Underway,
    { bytesSent, queueMicros, runMicros }: Pick<OffloadResult, 'bytesSent' | 'queueMicros' | 'runMicros'>,
    nowMs: number,
  ): void {
    this.#underway.delete(underway);
    const serverMs = (queueMicros + runMicros) / 1000;
    const roundTripMs = Math.max(0, nowMs - underway.sentAtMs - serverMs);
    this.#link.observe({ sentBytes: bytesSent, roundTripMs, atMs: nowMs });
    this.#serverMs += (this.#answers === 0 ? 1 : serverWeight) * (serverMs - this.#serverMs);
    this.#answers++;
  }

  /** Something small that is no request was answered: a hello, a ping. */
  onRoundTrip(sentBytes: number, roundTripMs: number, nowMs: number): void {
    this.#link.observe({ sentBytes, roundTripMs, atMs: nowMs });
  }

  /** @param budgetMs what it had; absent when it ended for another reason than that. */
  onNone(underway: Underway, nowMs: number, budgetMs?: number): void {
    this.#underway.delete(underway);
    const { sentBytes, sentAtMs } = underway;
    const waitedMs = nowMs - sentAtMs;
    if (budgetMs === undefined || waitedMs < unansweredShare * budgetMs) return;
    this.#link.observeUnanswered({ sentBytes, waitedMs, atMs: nowMs });
  }

  /** The share of requests like this one that would be answered in time; 1 while too little is known. */
  chance(bytes: number, budgetMs: number, nowMs: number): number {
    if (this.#answers < leastAnswers) return 1;
    return this.view(nowMs).shareWithin(bytes, budgetMs - this.#serverMs);
  }

  #oldest(nowMs: number): Parameters<LinkEstimate['at']>[1] {
    for (const { sentBytes, sentAtMs } of this.#underway) {
      return { sentBytes, waitedMs: nowMs - sentAtMs, atMs: nowMs };
    }
    return undefined;
  }
}
