import { OfframpError } from '../../shared/errors.ts';
import type { Choice, Plan } from '../../shared/plan/index.ts';
import { Agent, type AgentOptions, type ClassifyOptions } from './agent.ts';
import type { Answer } from './answer.ts';
import { DevicePace } from './device-pace.ts';
import { type ImageSource, sentFile } from './image-source.ts';
import { pixelBytes } from './measured-costs.ts';
import type { Pilot } from './pilot.ts';

export interface AdaptiveAgentOptions
  extends Omit<AgentOptions, 'channels' | 'cut' | 'pace' | 'thresholds' | 'worth'> {
  readonly pilot: Pilot;
}

/** An agent whose cut, thresholds and rate are chosen anew while it runs; each image follows one plan to its end. */
export class AdaptiveAgent {
  readonly #options: AdaptiveAgentOptions;
  /** One for each plan that was followed; a bundle has some dozens. */
  readonly #agents = new Map<string, Agent>();
  readonly #pace = new DevicePace();

  constructor(options: AdaptiveAgentOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#pace.inFlight;
  }

  /** As {@link Agent.warmUp}: any plan may come to sending the image. */
  async warmUp(): Promise<void> {
    await new Agent({ ...this.#options, pace: this.#pace, cut: 0 }).warmUp();
  }

  /** As {@link Agent.classify}; the answer says which plan it followed and what that foresaw. */
  async classify(source: ImageSource, options: ClassifyOptions = {}): Promise<Answer> {
    const { pilot, clock, maxInFlight } = this.#options;
    if (this.inFlight >= maxInFlight) {
      throw new OfframpError('BUSY', `${maxInFlight} images are already under way on this device`);
    }
    const choice = pilot.plan(clock.now());
    if (choice === undefined)
      throw new OfframpError('CONFIG_INVALID', 'There is no plan that this device can run');
    const { plan } = choice.prediction;
    const imageBytes = this.#imageBytes(source);
    const answer = await this.#agentOf(plan).classify(source, options);
    pilot.learn(answer, plan, imageBytes);
    pilot.reviewSoon(clock);
    return { ...answer, plan: { key: plan.key, predictedMs: this.#predictedMs(choice, answer) } };
  }

  /** What would be sent at cut 0, whether or not it is; while no server is there nobody knows what it takes. */
  #imageBytes(source: ImageSource): number | undefined {
    const { bundle, cloud } = this.#options;
    if (cloud?.connected !== true) return undefined;
    return sentFile(source, cloud.maxImageBytes)?.file.length ?? pixelBytes(bundle);
  }

  #agentOf({ key, cut, thresholds, channels }: Plan): Agent {
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const agent = new Agent({
      ...this.#options,
      pace: this.#pace,
      cut,
      thresholds,
      worth: (exit, entropy) => this.#options.pilot.cloudWorth(exit, entropy),
      ...(channels !== undefined && { channels }),
    });
    this.#agents.set(key, agent);
    return agent;
  }

  #predictedMs({ prediction }: Choice, { exit: name }: Answer): number | undefined {
    const index = this.#options.bundle.manifest.exits.findIndex((exit) => exit.name === name);
    return prediction.exits.find(({ exit }) => exit === index)?.meanMs;
  }
}
