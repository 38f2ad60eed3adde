import type { Bundle } from '../../shared/bundle/index.ts';
import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decideExit, type ExitDecision } from '../../shared/exits/index.ts';
import { bundleTag } from '../../shared/protocol/index.ts';
import { type Runner, segmentKey } from '../../shared/runtime/index.ts';
import type { Answer, Route } from './answer.ts';
import type { OffloadResult } from './connection.ts';
import type { CloudLink } from './uplink.ts';

export interface AgentOptions {
  readonly bundle: Bundle;
  /** Runs the device's segments. */
  readonly runner: Runner;
  /** Absent on a device that never offloads: then every image that is not confident is answered degraded. */
  readonly cloud?: CloudLink;
  readonly clock: Clock;
  /** Number of segments the device runs, 1 to all of them (edge-only). */
  readonly cut: number;
  readonly defaultBudgetMs: number;
  /** Images under way at once; beyond it `classify` refuses with BUSY. */
  readonly maxInFlight: number;
}

/** Pixels, or what makes them; then making them is timed and takes from the budget. */
export type ImageSource = Uint8Array | (() => Promise<Uint8Array>);

export interface ClassifyOptions {
  /** Milliseconds for the answer, from the call on. */
  readonly budgetMs?: number;
}

/** An exit and what it decided. */
interface ExitOutcome {
  readonly decision: ExitDecision;
  readonly exit: number;
}

/** The last device exit an image came to. */
interface DeviceOutcome extends ExitOutcome {
  /** Codes to send, unless the image leaves on the device. */
  readonly codes: Uint8Array | undefined;
}

/** What a result says of the cloud's part. */
type CloudCosts = Pick<OffloadResult, 'queueMicros' | 'runMicros' | 'bytesSent'>;

/** Time stamps of one image's way on the agent's clock, milliseconds. */
interface Stopwatch {
  readonly startedAtMs: number;
  prepareMs: number;
  deviceMs: number;
  exitMs: number;
  encodeMs: number;
  bytesSent: number;
}

/**
 * The edge agent's core: runs the device's segments, lets confident images leave, sends the codes of the others to the cloud
 * and always answers. Knows neither Node nor a browser; runner, cloud link and clock come from its host.
 */
export class Agent {
  readonly #options: AgentOptions;
  #inFlight = 0;

  /** @throws OfframpError CUT_UNSUPPORTED. */
  constructor(options: AgentOptions) {
    const { segments, id } = options.bundle.manifest;
    if (!Number.isInteger(options.cut) || options.cut < 1 || options.cut > segments.length) {
      throw new OfframpError(
        'CUT_UNSUPPORTED',
        `Cut ${options.cut} of bundle ${id}, expected 1 to ${segments.length}`,
      );
    }
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Classifies one image, uint8 [height, width, channels] as the manifest's `input.shape` says. Once the device has run its
   * segments it answers whatever the cloud does: late, gone, busy or refusing gives the last device exit's answer, marked
   * `degraded` with the reason.
   * @throws OfframpError BUDGET_INVALID, IMAGE_INVALID, BUSY, what the source throws, or RUNTIME_FAILED and RUNTIME_STOPPED when the device itself cannot compute.
   */
  async classify(
    source: ImageSource,
    { budgetMs = this.#options.defaultBudgetMs }: ClassifyOptions = {},
  ): Promise<Answer> {
    const { maxInFlight } = this.#options;
    if (!(budgetMs > 0)) {
      throw new OfframpError('BUDGET_INVALID', `A budget of ${budgetMs} ms, expected more than 0`);
    }
    if (this.#inFlight >= maxInFlight) {
      throw new OfframpError('BUSY', `${maxInFlight} images are already under way on this device`);
    }
    this.#inFlight++;
    try {
      return await this.#answer(source, budgetMs);
    } finally {
      this.#inFlight--;
    }
  }

  async #answer(source: ImageSource, budgetMs: number): Promise<Answer> {
    const { clock } = this.#options;
    const startedAtMs = clock.now();
    const image = source instanceof Uint8Array ? source : await source();
    const prepareMs = source instanceof Uint8Array ? 0 : clock.now() - startedAtMs;
    this.#check(image);
    const watch: Stopwatch = { startedAtMs, prepareMs, deviceMs: 0, exitMs: 0, encodeMs: 0, bytesSent: 0 };
    const outcome = await this.#runDevice(image, watch);
    if (outcome.codes === undefined) return this.#onDevice(outcome, watch);
    try {
      const result = await this.#offload(outcome.codes, watch, budgetMs);
      return this.#fromCloud(outcome, result, watch);
    } catch (thrown) {
      return { ...this.#onDevice(outcome, watch), degraded: true, reason: OfframpError.from(thrown).code };
    }
  }

  #check(image: Uint8Array): void {
    const { shape } = this.#options.bundle.manifest.input;
    const expected = shape.reduce((product, size) => product * size, 1);
    if (image.length === expected) return;
    const wanted = `${expected} for uint8 [${shape.join(', ')}]`;
    throw new OfframpError('IMAGE_INVALID', `An image of ${image.length} bytes, expected ${wanted}`);
  }

  /** Runs segment after segment until an exit is confident or the cut is reached. */
  async #runDevice(image: Uint8Array, watch: Stopwatch): Promise<DeviceOutcome> {
    const { bundle, runner, clock, cut } = this.#options;
    // The runner takes the input's memory away; the caller's image stays the caller's.
    let input = new Uint8Array(image);
    for (let exit = 0; ; exit++) {
      const before = clock.now();
      const { outputs } = await runner.run(segmentKey(bundle.manifest.id, exit), input, 1);
      const after = clock.now();
      watch.deviceMs += after - before;
      const [logits, codes] = outputs;
      if (!(logits instanceof Float32Array))
        throw new OfframpError('RUNTIME_FAILED', `s${exit} gave no logits`);
      const decision = decideExit({ ...bundle.exit(exit), logits });
      watch.exitMs += clock.now() - after;
      if (decision.confident || !(codes instanceof Uint8Array)) return { decision, exit, codes: undefined };
      if (exit + 1 === cut) return { decision, exit, codes };
      input = codes;
    }
  }

  async #offload(codes: Uint8Array, watch: Stopwatch, budgetMs: number): Promise<OffloadResult> {
    const { bundle, cloud, clock, cut } = this.#options;
    if (cloud === undefined) throw new OfframpError('CLOUD_UNREACHABLE', 'This device has no cloud');
    const before = clock.now();
    const row = bundle.codec(cut).encode(codes);
    const now = clock.now();
    watch.encodeMs = now - before;
    const leftMs = budgetMs - (now - watch.startedAtMs);
    if (leftMs <= 0)
      throw new OfframpError('BUDGET_SPENT', `The device alone took ${Math.round(budgetMs - leftMs)} ms`);
    return cloud.infer({
      bundleTag: bundleTag(bundle.digest),
      cut,
      budgetMs: leftMs,
      rows: [row],
      classes: bundle.manifest.classes.length,
      onSent: (bytes) => {
        watch.bytesSent = bytes;
      },
    });
  }

  #onDevice(outcome: DeviceOutcome, watch: Stopwatch): Answer {
    const last = this.#options.bundle.manifest.segments.length - 1;
    const route = outcome.exit === last ? 'edge-only' : 'exit';
    return this.#compose(outcome, outcome, route, watch, {
      queueMicros: 0,
      runMicros: 0,
      bytesSent: watch.bytesSent,
    });
  }

  #fromCloud(outcome: DeviceOutcome, result: OffloadResult, watch: Stopwatch): Answer {
    const { bundle, clock } = this.#options;
    const exit = result.exits[0] ?? 0;
    const before = clock.now();
    const decision = decideExit({ ...bundle.exit(exit), logits: result.logits });
    watch.exitMs += clock.now() - before;
    return this.#compose(outcome, { decision, exit }, 'features', watch, result);
  }

  #compose(
    device: ExitOutcome,
    { decision, exit }: ExitOutcome,
    route: Route,
    watch: Stopwatch,
    cloud: CloudCosts,
  ): Answer {
    const { bundle, clock } = this.#options;
    const { label, probabilities, entropy } = decision;
    const latencyMs = clock.now() - watch.startedAtMs;
    const own = {
      prepare: watch.prepareMs,
      device: watch.deviceMs,
      exit: watch.exitMs,
      encode: watch.encodeMs,
    };
    const away = Math.max(0, latencyMs - own.prepare - own.device - own.exit - own.encode);
    // A server's own clock may claim more than the time there was.
    const cloudQueue = Math.min(away, cloud.queueMicros / 1000);
    const cloudRun = Math.min(away - cloudQueue, cloud.runMicros / 1000);
    const accounted = { ...own, cloudQueue, cloudRun };
    const network = away - cloudQueue - cloudRun;
    return {
      label,
      className: bundle.manifest.classes[label] ?? String(label),
      probabilities,
      entropy,
      exit: bundle.exit(exit).name,
      route,
      degraded: false,
      device: {
        exit: bundle.exit(device.exit).name,
        label: device.decision.label,
        entropy: device.decision.entropy,
      },
      latencyMs,
      stagesMs: { ...accounted, network },
      bytesSent: cloud.bytesSent,
    };
  }
}
