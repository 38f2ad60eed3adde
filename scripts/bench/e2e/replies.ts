import type { Answer } from '../../../edge/agent/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import type { Tally } from '../../simulate/index.ts';
import type { DaemonReply } from './daemon-client.ts';
import type { ComingImage } from './open-loop.ts';
import type { StageSamples } from './stage-samples.ts';

export interface RepliesOptions {
  readonly tally: Tally;
  readonly stages: StageSamples;
  /** `performance.now()` of the start. */
  readonly startMs: number;
  /** Of answers that name no plan. */
  readonly plan: string;
  readonly truth: (image: number) => number;
}

/** As the daemon's OpenAPI document has it. */
interface ReplyJson {
  readonly answers?: readonly (Answer | { readonly error: ErrorJson })[];
  readonly error?: ErrorJson;
}

interface ErrorJson {
  readonly code: string;
  readonly message: string;
}

/** Holds one device's replies to one answer for each image, and hands them on to be counted. */
export class Replies {
  readonly #options: RepliesOptions;
  readonly #troubles: string[] = [];
  #answered = 0;
  #refused = 0;

  constructor(options: RepliesOptions) {
    this.#options = options;
  }

  /** Images that came. */
  get images(): number {
    return this.#answered + this.#refused + this.#troubles.length;
  }

  add(coming: ComingImage, reply: DaemonReply): void {
    // The daemon's own words, in the form of its OpenAPI document.
    const { answers = [], error } = JSON.parse(reply.body) as ReplyJson;
    if (error?.code === 'BUSY') {
      this.#refused++;
      this.#options.tally.refuse(coming.atMs);
      return;
    }
    const [answer] = answers;
    if (answers.length !== 1 || answer === undefined || 'error' in answer) {
      this.fail(`${reply.status} with ${answers.length} answers: ${reply.body.slice(0, 200)}`);
      return;
    }
    this.#answered++;
    const told = this.#told(coming, answer, reply.endedAtMs);
    this.#options.tally.add(told);
    this.#options.stages.add(told.arrivedAtMs, told.latencyMs, answer);
  }

  /** An image has no answer, or several. */
  fail(why: string): void {
    this.#troubles.push(why);
  }

  /**
   * @param answersMade how many the daemon says that it has made.
   * @throws OfframpError INTERNAL unless every image was answered or refused, and nothing else.
   */
  check(answersMade: number): void {
    const [first] = this.#troubles;
    if (first !== undefined) {
      const got = `${this.#troubles.length} of ${this.images} images had none or several`;
      throw new OfframpError('INTERNAL', `Expected one answer for each image, but ${got}; first: ${first}`);
    }
    if (answersMade === this.#answered) return;
    throw new OfframpError(
      'INTERNAL',
      `The daemon made ${answersMade} answers, expected the ${this.#answered} that came`,
    );
  }

  #told({ atMs, image }: ComingImage, answer: Answer, endedAtMs: number) {
    const { startMs, plan, truth } = this.#options;
    const { route, label, degraded, reason, bytesSent } = answer;
    return {
      arrivedAtMs: atMs,
      latencyMs: endedAtMs - (startMs + atMs),
      isRight: label === truth(image),
      plan: answer.plan?.key ?? plan,
      ...{ route, degraded, reason, bytesSent },
    };
  }
}
