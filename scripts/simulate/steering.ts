import { type Answer, Pilot, type PilotOptions } from '../../edge/agent/index.ts';
import type { Bundle } from '../../shared/bundle/index.ts';
import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { Objective, Plan, PlanCosts, Planner } from '../../shared/plan/index.ts';

/** The plan that an image follows. */
export type FollowedPlan = Pick<Plan, 'key' | 'cut' | 'thresholds' | 'channels'>;

/** What an image cost, for whoever learns from it. */
export interface ImageCosts {
  readonly plan: FollowedPlan;
  readonly image: number;
  readonly prepareMs: number;
  /** In the device's segments, without the wait for them. */
  readonly ownRunMs: number;
  readonly exitMs: number;
  /** In the server's queue. */
  readonly queueMs: number;
  readonly cloudRunMs: number;
  readonly bytesSent: number;
  readonly route: Answer['route'];
  /** The exit that answered. */
  readonly exit: number;
  /** Last exit asked on the device, -1 for none. */
  readonly ownExit: number;
  readonly degraded: boolean;
}

/** Chooses the plan of each image. */
export interface Steering {
  plan(nowMs: number): FollowedPlan;
  learn?(costs: ImageCosts): void;
  /** What the cloud would add to an answer of the device's; absent: always as much. */
  worth?(exit: number, entropy: number): number;
}

/** The same plan for every image. */
export function fixedSteering(plan: FollowedPlan): Steering {
  return { plan: () => plan };
}

/** The agent's own pilot. */
export function pilotSteering(
  bundle: Bundle,
  { clock, ...options }: Omit<PilotOptions, 'bundle'> & { readonly clock: Clock },
  pictureBytes: (image: number) => number,
): Steering & { readonly pilot: Pilot } {
  const pilot = new Pilot({ bundle, ...options });
  const names = bundle.manifest.exits.map(({ name }) => name);
  return {
    pilot,
    worth: (exit, entropy) => pilot.cloudWorth(exit, entropy),
    plan(nowMs) {
      const choice = pilot.plan(nowMs);
      if (choice === undefined)
        throw new OfframpError('CONFIG_INVALID', 'There is no plan that this device can run');
      return choice.prediction.plan;
    },
    learn({ plan, image, exit, ownExit, ...costs }) {
      const { prepareMs: prepare, exitMs, queueMs: cloudQueue, cloudRunMs: cloudRun, ownRunMs } = costs;
      const device = ownExit < 0 ? undefined : { exit: names[ownExit] ?? '', runMs: ownRunMs };
      const answer = {
        ...{
          route: costs.route,
          degraded: costs.degraded,
          bytesSent: costs.bytesSent,
          exit: names[exit] ?? '',
        },
        stagesMs: { prepare, exit: exitMs, cloudQueue, cloudRun },
        ...(device !== undefined && { device }),
      };
      pilot.learn(answer, plan, pictureBytes(image));
      pilot.reviewSoon(clock);
    },
  };
}

/** At every image the plan that is best at what things cost at that very moment, which no device can know. */
export function momentSteering(
  planner: Planner,
  objective: Objective,
  costs: (nowMs: number) => PlanCosts,
): Steering {
  return {
    plan(nowMs) {
      const choice = planner.choose(costs(nowMs), objective);
      if (choice === undefined)
        throw new OfframpError('CONFIG_INVALID', 'There is no plan that this device can run');
      return choice.prediction.plan;
    },
  };
}
