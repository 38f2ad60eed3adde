import { defaultCloudLimits } from '../../cloud/index.ts';
import {
  DurationEstimate,
  type EndpointState,
  ProbePace,
  probeBudgetMs,
  reserveMs,
} from '../../edge/agent/index.ts';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import type { OneWay } from '../links/index.ts';
import type { DeviceCosts } from './device-costs.ts';
import type { ReplayedImages } from './replayed-images.ts';
import type { CloudReply, SimulatedCloud } from './simulated-cloud.ts';
import type { FollowedPlan, Steering } from './steering.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What became of one image. */
export interface Outcome {
  readonly image: number;
  readonly arrivedAtMs: number;
  readonly latencyMs: number;
  readonly route: 'exit' | 'features' | 'image' | 'edge-only';
  readonly exit: number;
  /** Class that was answered. */
  readonly label: number;
  readonly degraded: boolean;
  readonly reason: ErrorCode | undefined;
  readonly bytesSent: number;
  readonly plan: FollowedPlan;
}

export interface DeviceOptions {
  readonly name: string;
  readonly time: VirtualTime;
  readonly images: ReplayedImages;
  readonly costs: DeviceCosts;
  readonly steering: Steering;
  /** The manifest's thresholds, for exits of which a plan says nothing. */
  readonly calibrated: readonly number[];
  /** Absent on a device that stands alone. */
  readonly cloud: SimulatedCloud | undefined;
  readonly up: Pick<OneWay, 'send'>;
  readonly down: Pick<OneWay, 'send'>;
  readonly budgetMs: number;
  /** Images under way at once; beyond it they are refused. */
  readonly maxInFlight: number;
  /** What is known of the server; the steering asks it as well. */
  readonly server: EndpointState;
  readonly onOutcome: (outcome: Outcome) => void;
  readonly onRefused: (arrivedAtMs: number) => void;
}

/** One image on its way. */
interface Journey {
  readonly image: number;
  readonly arrivedAtMs: number;
  readonly endsAtMs: number;
  readonly plan: FollowedPlan;
  prepareMs: number;
  ownRunMs: number;
  exitMs: number;
  bytesSent: number;
  /** Last exit asked on the device, -1 before the first. */
  ownExit: number;
  isSettled: boolean;
}

interface Underway {
  readonly reply: (told: {
    readonly exit: number;
    readonly isDepthCut: boolean;
    readonly queueMicros: number;
    readonly runMicros: number;
  }) => void;
  readonly fail: (error: OfframpError) => void;
}

/**
 * An edge agent on a virtual clock: the steps of `edge/agent/agent.ts` with what was measured in the place of what is computed. All
 * that it decides is decided by the agent's own code: exit rule, plan, link estimate, circuit breaker, probes and reserve.
 */
export class SimulatedDevice {
  readonly #options: DeviceOptions;
  readonly #last: number;
  readonly #probes = new ProbePace();
  readonly #prepareTime = new DurationEstimate();
  readonly #ownTime = new DurationEstimate();
  readonly #waitingRuns: (() => void)[] = [];
  #isComputing = false;
  #inFlight = 0;
  #ownUnderWay = 0;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#last = options.images.table.exits - 1;
  }

  /** Warms up and says hello to the server, then pings it now and then until `untilMs`; both tell how far away it is. */
  connect(untilMs: number): void {
    // As the agent's warm-up.
    this.#ownTime.add(this.#options.costs.segmentMs(0));
    this.#roundTrip(helloBytes, welcomeBytes);
    const beat = () => {
      const { time } = this.#options;
      if (time.now() >= untilMs) return;
      this.#roundTrip(pingBytes, pongBytes);
      time.at(time.now() + defaultCloudLimits.heartbeatMs, beat);
    };
    const { time, cloud } = this.#options;
    if (cloud !== undefined) time.at(time.now() + defaultCloudLimits.heartbeatMs, beat);
  }

  #roundTrip(bytes: number, answerBytes: number): void {
    const { time, cloud, up, down, server } = this.#options;
    if (cloud === undefined) return;
    const sentAtMs = time.now();
    time.at(up.send(bytes, sentAtMs), () =>
      time.at(down.send(answerBytes, time.now()), () =>
        server.onRoundTrip(bytes, time.now() - sentAtMs, time.now()),
      ),
    );
  }

  /** An image comes now. */
  arrive(image: number): void {
    const { time, costs } = this.#options;
    const arrivedAtMs = time.now();
    const callMs = costs.callMs();
    if (callMs > 0) time.at(arrivedAtMs + callMs, () => this.#begin(image, arrivedAtMs));
    else this.#begin(image, arrivedAtMs);
  }

  #begin(image: number, arrivedAtMs: number): void {
    const { time, steering, maxInFlight, budgetMs, onRefused } = this.#options;
    if (this.#inFlight >= maxInFlight) {
      onRefused(arrivedAtMs);
      return;
    }
    this.#inFlight++;
    const startedAtMs = time.now();
    // One literal without spreads: there is one for every image of a fleet.
    const journey: Journey = {
      image,
      arrivedAtMs,
      endsAtMs: startedAtMs + budgetMs,
      plan: steering.plan(startedAtMs),
      prepareMs: 0,
      ownRunMs: 0,
      exitMs: 0,
      bytesSent: 0,
      ownExit: -1,
      isSettled: false,
    };
    if (journey.plan.cut === 0) this.#sendImage(journey);
    else this.#prepare(journey, () => this.#runTo(journey, 0));
  }

  #prepare(journey: Journey, then: () => void): void {
    const { time, costs } = this.#options;
    const ms = costs.prepareMs();
    journey.prepareMs = ms;
    this.#prepareTime.add(ms);
    if (ms > 0) time.at(time.now() + ms, then);
    else then();
  }

  /** Runs a segment and asks its exit; then the image leaves, goes on, or is sent. */
  #runTo(journey: Journey, segment: number): void {
    this.#run(journey, segment, (exitMs) => {
      const { plan } = journey;
      if (this.#leaves(journey, segment)) this.#answerOwn(journey, exitMs, undefined);
      else if (segment + 1 < plan.cut) this.#runTo(journey, segment + 1);
      else this.#encode(journey, exitMs);
    });
  }

  #run(journey: Journey, segment: number, then: (exitMs: number) => void): void {
    const { time, costs } = this.#options;
    const start = () => {
      this.#isComputing = true;
      const runMs = costs.segmentMs(segment);
      time.at(time.now() + runMs, () => {
        this.#isComputing = false;
        const exitMs = costs.exitMs();
        journey.ownRunMs += runMs;
        journey.exitMs += exitMs;
        journey.ownExit = segment;
        // Who waits comes first, as in the agent's runner: the next segment of this image asks for its turn like any other.
        this.#waitingRuns.shift()?.();
        then(exitMs);
      });
    };
    if (this.#isComputing) this.#waitingRuns.push(start);
    else start();
  }

  #leaves({ image, plan }: Journey, exit: number): boolean {
    if (exit === this.#last) return true;
    const { images, calibrated } = this.#options;
    const threshold = plan.thresholds[exit] ?? calibrated[exit] ?? 0;
    return (images.table.entropies[exit]?.[image] ?? 1) < threshold;
  }

  #encode(journey: Journey, exitMs: number): void {
    const { time, costs } = this.#options;
    const encodeMs = costs.encodeMs(journey.plan.cut, journey.plan.channels);
    const send = () =>
      this.#offload(journey, {
        reply: (told) => this.#answerFromCloud(journey, told),
        fail: ({ code }) => this.#answerOwn(journey, 0, code),
      });
    time.at(time.now() + exitMs + encodeMs, send);
  }

  /** As the agent's `cloudOrDevice`: the device begins when the cloud has failed, or when only the time that it needs is left. */
  #sendImage(journey: Journey): void {
    const { time, budgetMs } = this.#options;
    let failure: OfframpError | undefined;
    let hasBegun = false;
    const finish = () => {
      const isSure = journey.ownExit >= 0 && this.#leaves(journey, journey.ownExit);
      if (journey.ownExit < 0 || (failure === undefined && !isSure)) return;
      this.#answerOwn(journey, 0, failure?.code);
    };
    const begin = () => {
      if (hasBegun || journey.isSettled) return;
      hasBegun = true;
      this.#answerByItself(journey, finish);
    };
    const leftMs = journey.endsAtMs - time.now();
    const parts = [this.#prepareTime.ms, this.#ownTime.ms];
    const cancel = time.schedule(leftMs - reserveMs(parts, this.#inFlight, budgetMs), begin);
    this.#offload(journey, {
      reply: (told) => {
        cancel();
        this.#answerFromCloud(journey, told);
      },
      fail: (error) => {
        cancel();
        failure = error;
        if (hasBegun) finish();
        else begin();
      },
    });
  }

  #answerByItself(journey: Journey, then: () => void): void {
    const { time } = this.#options;
    this.#prepare(journey, () => {
      this.#ownUnderWay++;
      const turns = this.#ownUnderWay;
      const beforeMs = time.now();
      this.#run(journey, 0, () => {
        this.#ownUnderWay--;
        this.#ownTime.add((time.now() - beforeMs) / turns);
        then();
      });
    });
  }

  #offload(journey: Journey, underway: Underway): void {
    const { time, cloud, images } = this.#options;
    const leftMs = journey.endsAtMs - time.now();
    const problem = this.#problem(journey, leftMs);
    if (cloud === undefined || problem !== undefined) {
      underway.fail(problem ?? noCloud);
      return;
    }
    journey.bytesSent += images.requestBytes(journey.plan.cut, journey.plan.channels, journey.image);
    this.#request(journey, cloud, leftMs, underway);
  }

  /** Why the image is not sent now. */
  #problem(journey: Journey, leftMs: number): OfframpError | undefined {
    const { time, cloud, images, server } = this.#options;
    if (cloud === undefined) return noCloud;
    if (leftMs <= 0) return tooLate;
    const bytes = images.requestBytes(journey.plan.cut, journey.plan.channels, journey.image);
    const slowness = server.slowness(bytes, leftMs, time.now(), this.#worth(journey));
    const refusal = server.refusal(time.now());
    if (slowness !== undefined && refusal === undefined) this.#probe(journey, cloud);
    return refusal ?? slowness;
  }

  #worth({ ownExit, image }: Journey): number | undefined {
    const { steering, images } = this.#options;
    return ownExit < 0 ? undefined : steering.worth?.(ownExit, images.table.entropies[ownExit]?.[image] ?? 1);
  }

  #probe(journey: Journey, cloud: SimulatedCloud): void {
    const { time, images } = this.#options;
    if (!this.#probes.isDue(time.now())) return;
    this.#probes.begin(time.now());
    const done = () => this.#probes.end();
    journey.bytesSent += images.requestBytes(journey.plan.cut, journey.plan.channels, journey.image);
    this.#request(journey, cloud, probeBudgetMs, { reply: done, fail: done });
  }

  /** Sends a request and tells what comes of it, once, by the end of its budget. */
  #request(
    { image, plan }: Journey,
    cloud: SimulatedCloud,
    budgetMs: number,
    { reply, fail }: Underway,
  ): void {
    const { time, name, up, down, images, server } = this.#options;
    const { cut, channels } = plan;
    const bytes = images.requestBytes(cut, channels, image);
    const underway = server.onSent(bytes, time.now());
    let isOver = false;
    const cancel = time.schedule(budgetMs, () => {
      isOver = true;
      server.onFailure(underway, tooLate, budgetMs, time.now());
      fail(tooLate);
    });
    const onReply = (told: CloudReply) => {
      if (isOver) return;
      isOver = true;
      cancel();
      if ('error' in told) {
        server.onFailure(underway, told.error, budgetMs, time.now());
        fail(told.error);
        return;
      }
      server.onAnswer(underway, { ...told.answer, bytesSent: bytes }, time.now());
      reply(told.answer);
    };
    time.at(up.send(bytes, time.now()), () =>
      cloud.receive({ client: name, image, cut, channels, budgetMs }, (told) =>
        time.at(down.send(images.answerBytes, time.now()), () => onReply(told)),
      ),
    );
  }

  #answerFromCloud(journey: Journey, told: Parameters<Underway['reply']>[0]): void {
    const { images } = this.#options;
    const { plan, image } = journey;
    const { exit, isDepthCut } = told;
    const reason = isDepthCut ? ('DEPTH_CUT' as const) : undefined;
    const label = images.labelAt(exit, image, images.rateAt(plan.cut, plan.channels));
    this.#settle(
      journey,
      0,
      { route: plan.cut === 0 ? 'image' : 'features', exit, label, degraded: isDepthCut, reason },
      told,
    );
  }

  /** @param reason why it is not the cloud's answer, where the cloud has failed. */
  #answerOwn(journey: Journey, exitMs: number, reason: ErrorCode | undefined): void {
    const { images } = this.#options;
    const exit = journey.ownExit;
    const degraded = reason !== undefined && !this.#leaves(journey, exit);
    const label = images.labelAt(exit, journey.image, 0);
    const route = exit === this.#last ? 'edge-only' : 'exit';
    this.#settle(journey, exitMs, { route, exit, label, degraded, reason }, undefined);
  }

  #settle(
    journey: Journey,
    exitMs: number,
    end: Pick<Outcome, 'route' | 'exit' | 'label' | 'degraded' | 'reason'>,
    told: { readonly queueMicros: number; readonly runMicros: number } | undefined,
  ): void {
    if (journey.isSettled) return;
    journey.isSettled = true;
    this.#inFlight--;
    const { time, steering, onOutcome } = this.#options;
    const { image, arrivedAtMs, bytesSent, plan } = journey;
    const { route, exit, label, degraded, reason } = end;
    const latencyMs = time.now() + exitMs - arrivedAtMs;
    steering.learn?.({
      ...{ ...journey, ...end },
      queueMs: (told?.queueMicros ?? 0) / 1000,
      cloudRunMs: (told?.runMicros ?? 0) / 1000,
    });
    onOutcome({ image, arrivedAtMs, latencyMs, route, exit, label, degraded, reason, bytesSent, plan });
  }
}

/** Of a usual hello and welcome, and of WebSocket's ping and pong, with their framing. */
const [helloBytes, welcomeBytes, pingBytes, pongBytes] = [240, 320, 6, 2];
const noCloud = new OfframpError('CLOUD_UNREACHABLE', 'This device has no cloud');
const tooLate = new OfframpError('BUDGET_SPENT', 'No answer came in time');
