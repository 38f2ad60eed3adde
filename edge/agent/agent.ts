import type { Bundle } from '../../shared/bundle/index.ts';
import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { bundleTag } from '../../shared/protocol/index.ts';
import type { Runner } from '../../shared/runtime/index.ts';
import type { TraceParent, Tracer } from '../../shared/trace/index.ts';
import type { Answer, DeviceOpinion } from './answer.ts';
import type { Auditor } from './auditor.ts';
import { cloudOrDevice } from './cloud-or-device.ts';
import { composeAnswer, type ExitOutcome, opinion, type Stopwatch, startWatch } from './compose.ts';
import type { Offload, OffloadResult } from './connection.ts';
import { DevicePace } from './device-pace.ts';
import { type DeviceOutcome, runDevice } from './device-run.ts';
import type { ExitShareMonitor } from './exit-share-monitor.ts';
import { type ImageSource, sentFile } from './image-source.ts';
import { reserveMs } from './reserve.ts';
import { traceAnswer } from './trace-answer.ts';
import type { CloudLink } from './uplink.ts';

export interface AgentOptions {
  readonly bundle: Bundle;
  /** Runs the device's segments. */
  readonly runner: Runner;
  /** Absent on a device that never offloads: then every image that is not confident is answered degraded. */
  readonly cloud?: CloudLink;
  readonly clock: Clock;
  /** Number of segments the device runs: 0 sends the image, all of them are edge-only. */
  readonly cut: number;
  /** Channels of the codes to send, one of the rates of the cut; all when absent. */
  readonly channels?: number;
  /** At the server, 1 is served first; its default when absent. */
  readonly priority?: number;
  readonly defaultBudgetMs: number;
  /** Images under way at once; beyond it `classify` refuses with BUSY. */
  readonly maxInFlight: number;
  /** Of the device's exits, in place of the manifest's. */
  readonly thresholds?: readonly number[];
  /** What the cloud would add to an answer, by the exit and its entropy; absent: always as much. */
  readonly worth?: (exit: number, entropy: number) => number;
  /** Absent: the device's own answers are not audited. */
  readonly auditor?: Auditor;
  /** Told of every image that begins on the device. */
  readonly exitShare?: ExitShareMonitor;
  /** Of the agents of other plans on the same device; its own when absent. */
  readonly pace?: DevicePace;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
}

export interface ClassifyOptions {
  /** Milliseconds for the answer, from the call on. */
  readonly budgetMs?: number;
  /** The caller's span, which the image's belongs to. */
  readonly trace?: TraceParent;
  /** Told what the device thinks of an image that is not sure enough to leave, before the cloud is asked. */
  readonly onDevice?: (device: DeviceOpinion) => void;
}

/** The exit an image left by in the cloud. */
interface CloudOutcome extends ExitOutcome {
  readonly result: OffloadResult;
}

/** Nobody waits for an audit, so it may take its time. */
const auditBudgetMs = 5000;
/** A server without so many levels takes it for its default. */
const leastPriority = 64;

/** What of a request depends on the image. */
type Sent = Pick<Offload, 'rows' | 'format' | 'channels' | 'worth'>;

/**
 * The edge agent's core: runs the device's segments, lets confident images leave, sends the codes of the others to the cloud
 * and always answers. Knows neither Node nor a browser; runner, cloud link and clock come from its host.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #pace: DevicePace;

  /** @throws OfframpError CUT_UNSUPPORTED, RATE_UNSUPPORTED. */
  constructor(options: AgentOptions) {
    const { segments, id } = options.bundle.manifest;
    if (!Number.isInteger(options.cut) || options.cut < 0 || options.cut > segments.length) {
      throw new OfframpError(
        'CUT_UNSUPPORTED',
        `Cut ${options.cut} of bundle ${id}, expected 0 to ${segments.length}`,
      );
    }
    checkRate(options);
    this.#options = options;
    this.#pace = options.pace ?? new DevicePace();
  }

  get inFlight(): number {
    return this.#pace.inFlight;
  }

  /**
   * Classifies one image, uint8 [height, width, channels] as the manifest's `input.shape` says. Once the device has run its
   * segments it answers whatever the cloud does: late, gone, busy or refusing gives the last device exit's answer, marked
   * `degraded` with the reason. At cut 0 it runs its first segment only then, and in time before the budget ends.
   * @throws OfframpError BUDGET_INVALID, IMAGE_INVALID, BUSY, what the source throws, or RUNTIME_FAILED and RUNTIME_STOPPED when the device itself cannot compute.
   */
  async classify(
    source: ImageSource,
    { budgetMs = this.#options.defaultBudgetMs, ...asked }: ClassifyOptions = {},
  ): Promise<Answer> {
    const { maxInFlight } = this.#options;
    if (!(budgetMs > 0)) {
      throw new OfframpError('BUDGET_INVALID', `A budget of ${budgetMs} ms, expected more than 0`);
    }
    if (this.#pace.inFlight >= maxInFlight) {
      throw new OfframpError('BUSY', `${maxInFlight} images are already under way on this device`);
    }
    this.#pace.inFlight++;
    try {
      return await this.#traced(source, budgetMs, asked);
    } finally {
      this.#pace.inFlight--;
    }
  }

  /**
   * Runs the device's first segment once, on an empty image: a first run is the slowest, and at cut 0 the time to keep for the
   * device's own answer is known from then on.
   * @throws OfframpError RUNTIME_FAILED, RUNTIME_STOPPED.
   */
  async warmUp(): Promise<void> {
    const { bundle, clock } = this.#options;
    const pixels = bundle.manifest.input.shape.reduce((product, size) => product * size, 1);
    await this.#runOwn(new Uint8Array(pixels), startWatch(clock.now()));
  }

  async #traced(
    source: ImageSource,
    budgetMs: number,
    { trace: parent, onDevice }: ClassifyOptions,
  ): Promise<Answer> {
    const { clock, tracer } = this.#options;
    const startedAtMs = clock.now();
    const span = tracer?.start('classify', startedAtMs, parent);
    const watch = startWatch(startedAtMs, span?.parent);
    if (span === undefined) return this.#answer(source, watch, budgetMs, onDevice);
    try {
      const answer = await this.#answer(source, watch, budgetMs, onDevice);
      traceAnswer(span, startedAtMs, answer);
      return answer;
    } catch (thrown) {
      span.end(clock.now(), {}, OfframpError.from(thrown).code);
      throw thrown;
    }
  }

  async #answer(
    source: ImageSource,
    watch: Stopwatch,
    budgetMs: number,
    onDevice: ClassifyOptions['onDevice'],
  ): Promise<Answer> {
    const { bundle, cut } = this.#options;
    if (cut === 0) return this.#answerImage(source, watch, budgetMs);
    const outcome = await runDevice(this.#options, await this.#pixels(source, watch), watch);
    this.#options.exitShare?.observe(outcome.firstEntropy);
    if (outcome.codes === undefined) {
      this.#audit(outcome);
      return this.#onDevice(outcome, watch);
    }
    onDevice?.(opinion(bundle, outcome, watch));
    try {
      const worth = this.#options.worth?.(outcome.exit, outcome.decision.entropy);
      const result = await this.#offload(outcome.codes, worth, watch, budgetMs);
      return this.#fromCloud(this.#decide(result, watch), outcome, watch);
    } catch (thrown) {
      return { ...this.#onDevice(outcome, watch), degraded: true, reason: OfframpError.from(thrown).code };
    }
  }

  async #answerImage(source: ImageSource, watch: Stopwatch, budgetMs: number): Promise<Answer> {
    const picture = sentFile(source, this.#options.cloud?.maxImageBytes);
    if (picture !== undefined) {
      const sent = { rows: [picture.file], format: picture.format };
      const own = async () => this.#runOwn(await this.#pixels(picture, watch), watch);
      return this.#sendImage(sent, own, [this.#pace.prepareTime.ms, this.#pace.ownTime.ms], watch, budgetMs);
    }
    const pixels = await this.#pixels(source, watch);
    const own = () => this.#runOwn(pixels, watch);
    return this.#sendImage({ rows: [pixels] }, own, [this.#pace.ownTime.ms], watch, budgetMs);
  }

  /**
   * Gives the cloud the whole budget, and has the device's own answer by the time that it ends.
   * @param ownPartsMs what that answer takes, see {@link reserveMs}.
   */
  async #sendImage(
    sent: Sent,
    own: () => Promise<DeviceOutcome>,
    ownPartsMs: readonly (number | undefined)[],
    watch: Stopwatch,
    budgetMs: number,
  ): Promise<Answer> {
    const { clock } = this.#options;
    const leftMs = budgetMs - (clock.now() - watch.startedAtMs);
    const end = await cloudOrDevice({
      clock,
      cloud: this.#send(sent, watch, budgetMs).then((result) => this.#decide(result, watch)),
      device: own,
      startInMs: leftMs - reserveMs(ownPartsMs, this.#turns(this.#pace.inFlight), budgetMs),
      isFinal: ({ codes }) => codes === undefined,
    });
    if (end.by === 'cloud') return this.#fromCloud(end.answer, undefined, watch);
    const answer = this.#onDevice(end.answer, watch);
    if (end.error === undefined) return answer;
    return { ...answer, degraded: end.answer.codes !== undefined, reason: end.error.code };
  }

  /** How many runs one after the other so many images are. */
  #turns(images: number): number {
    return Math.ceil(images / Math.max(1, this.#options.runner.parallel));
  }

  /** Pixels of an image, of the right length; making them is timed. */
  async #pixels(source: ImageSource, watch: Stopwatch): Promise<Uint8Array> {
    if (source instanceof Uint8Array) {
      this.#check(source);
      return source;
    }
    const { clock } = this.#options;
    const before = clock.now();
    const image = await (typeof source === 'function' ? source() : source.decode());
    watch.prepareMs = clock.now() - before;
    this.#pace.prepareTime.add(watch.prepareMs);
    this.#check(image);
    return image;
  }

  /** Runs the device's segments for an answer of its own, and learns how long that takes. */
  async #runOwn(image: Uint8Array, watch: Stopwatch): Promise<DeviceOutcome> {
    const { clock } = this.#options;
    this.#pace.ownUnderWay++;
    const turns = this.#turns(this.#pace.ownUnderWay);
    const before = clock.now();
    try {
      const outcome = await runDevice(this.#options, image, watch);
      this.#pace.ownTime.add((clock.now() - before) / turns);
      return outcome;
    } finally {
      this.#pace.ownUnderWay--;
    }
  }

  #check(image: Uint8Array): void {
    const { shape } = this.#options.bundle.manifest.input;
    const expected = shape.reduce((product, size) => product * size, 1);
    if (image.length === expected) return;
    const wanted = `${expected} for uint8 [${shape.join(', ')}]`;
    throw new OfframpError('IMAGE_INVALID', `An image of ${image.length} bytes, expected ${wanted}`);
  }

  /** Asks the cloud about an answer of the device's own, after it and beside it; nobody waits for that. */
  #audit({ decision, exit, behind }: DeviceOutcome): void {
    const { auditor, bundle, cloud, clock } = this.#options;
    if (auditor === undefined || behind === undefined || cloud?.connected !== true || !auditor.picks())
      return;
    const cut = exit + 1;
    const codec = bundle.codec(cut);
    void auditor.audit(decision.label, async () => {
      const offload = { rows: [codec.encode(behind.subarray(0, codec.count))], cut, budgetMs: auditBudgetMs };
      const result = await cloud.infer({
        ...offload,
        priority: leastPriority,
        bundleTag: bundleTag(bundle.digest),
        classes: bundle.manifest.classes.length,
      });
      return this.#decide(result, startWatch(clock.now())).decision.label;
    });
  }

  async #offload(
    codes: Uint8Array,
    worth: number | undefined,
    watch: Stopwatch,
    budgetMs: number,
  ): Promise<OffloadResult> {
    const { bundle, clock, cut, channels } = this.#options;
    const before = clock.now();
    const codec = bundle.codec(cut, channels);
    const row = codec.encode(codes.subarray(0, codec.count));
    watch.encodeMs = clock.now() - before;
    // All channels go unsaid: a frame of them means the same to every peer.
    const isAll = channels === undefined || codec === bundle.codec(cut);
    const sent = { rows: [row], ...(isAll ? {} : { channels }), ...(worth !== undefined && { worth }) };
    return this.#send(sent, watch, budgetMs);
  }

  async #send(sent: Sent, watch: Stopwatch, budgetMs: number): Promise<OffloadResult> {
    const { bundle, cloud, clock, cut, priority } = this.#options;
    if (cloud === undefined) throw new OfframpError('CLOUD_UNREACHABLE', 'This device has no cloud');
    const leftMs = budgetMs - (clock.now() - watch.startedAtMs);
    if (leftMs <= 0)
      throw new OfframpError('BUDGET_SPENT', `The device alone took ${Math.round(budgetMs - leftMs)} ms`);
    return cloud.infer({
      bundleTag: bundleTag(bundle.digest),
      cut,
      budgetMs: leftMs,
      ...(priority !== undefined && { priority }),
      ...(watch.trace !== undefined && { trace: watch.trace }),
      ...sent,
      classes: bundle.manifest.classes.length,
      onSent: (bytes) => {
        watch.bytesSent += bytes;
        watch.channelsSent = sent.channels ?? bundle.manifest.segments[cut - 1]?.codes?.shape[0];
      },
    });
  }

  /** @throws OfframpError when the result makes no sense. */
  #decide(result: OffloadResult, watch: Stopwatch): CloudOutcome {
    const { bundle, clock } = this.#options;
    const exit = result.exits[0] ?? 0;
    const before = clock.now();
    const decision = decideExit({ ...bundle.exit(exit), logits: result.logits });
    watch.exitMs += clock.now() - before;
    return { decision, exit, result };
  }

  #onDevice(outcome: DeviceOutcome, watch: Stopwatch): Answer {
    const { bundle, clock } = this.#options;
    const route = outcome.exit === bundle.manifest.segments.length - 1 ? 'edge-only' : 'exit';
    const cloud = { queueMicros: 0, runMicros: 0, bytesSent: watch.bytesSent };
    return composeAnswer({ bundle, nowMs: clock.now(), watch, route, outcome, device: outcome, cloud });
  }

  #fromCloud(outcome: CloudOutcome, device: DeviceOutcome | undefined, watch: Stopwatch): Answer {
    const { bundle, clock, cut } = this.#options;
    const route = cut === 0 ? 'image' : 'features';
    return composeAnswer({
      bundle,
      nowMs: clock.now(),
      watch,
      route,
      outcome,
      device,
      // A second server that was asked as well costs bytes too.
      cloud: { ...outcome.result, bytesSent: Math.max(outcome.result.bytesSent, watch.bytesSent) },
    });
  }
}

function checkRate({ bundle, cut, channels }: AgentOptions): void {
  if (channels === undefined) return;
  const { cuts, id } = bundle.manifest;
  if (cuts[cut - 1] === undefined) {
    const what = `a rate of ${channels} channels, but no codes are sent at cut ${cut}, expected no rate`;
    throw new OfframpError('RATE_UNSUPPORTED', `${id}: got ${what}`);
  }
  bundle.codec(cut, channels);
}
