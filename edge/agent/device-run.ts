import type { Bundle } from '../../shared/bundle/index.ts';
import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decideExit } from '../../shared/exits/index.ts';
import { type Runner, segmentKey } from '../../shared/runtime/index.ts';
import type { Auditor } from './auditor.ts';
import type { ExitOutcome, Stopwatch } from './compose.ts';

export interface DeviceRunOptions {
  readonly bundle: Bundle;
  readonly runner: Runner;
  readonly clock: Clock;
  /** Segments to run, one at least. */
  readonly cut: number;
  /** In place of the manifest's. */
  readonly thresholds?: readonly number[];
  /** Says how far the thresholds are to be believed. */
  readonly auditor?: Auditor;
}

/** The last device exit an image came to. */
export interface DeviceOutcome extends ExitOutcome {
  /** Codes to send, unless the image leaves on the device. */
  readonly codes: Uint8Array | undefined;
  /** Codes behind the exit that it left by, where there are any. */
  readonly behind?: Uint8Array | undefined;
  /** At the first exit, whichever it left by. */
  readonly firstEntropy: number;
}

/** Runs segment after segment, one at least, until an exit is confident or the cut is reached. */
export async function runDevice(
  { bundle, runner, clock, cut, auditor, thresholds }: DeviceRunOptions,
  image: Uint8Array,
  watch: Stopwatch,
): Promise<DeviceOutcome> {
  // The runner takes the input's memory away; the caller's image stays the caller's.
  let input = new Uint8Array(image);
  let firstEntropy = 1;
  for (let exit = 0; ; exit++) {
    const before = clock.now();
    const { outputs, runMicros } = await runner.run(segmentKey(bundle.manifest.id, exit), input, 1);
    const after = clock.now();
    watch.deviceMs += after - before;
    watch.runMs += runMicros / 1000;
    const [logits, codes] = outputs;
    if (!(logits instanceof Float32Array))
      throw new OfframpError('RUNTIME_FAILED', `s${exit} gave no logits`);
    const spec = bundle.exit(exit);
    const threshold = believed(thresholds?.[exit], spec.threshold, auditor);
    const decision = decideExit({ ...spec, threshold, logits });
    watch.exitMs += clock.now() - after;
    if (exit === 0) firstEntropy = decision.entropy;
    if (!(codes instanceof Uint8Array)) return { decision, exit, threshold, codes: undefined, firstEntropy };
    if (decision.confident)
      return { decision, exit, threshold, codes: undefined, behind: codes, firstEntropy };
    if (exit + 1 >= cut) return { decision, exit, threshold, codes, firstEntropy };
    input = codes;
  }
}

/** The threshold in use at an exit; the last exit has none. */
function believed(
  chosen: number | undefined,
  calibrated: number | undefined,
  auditor: Auditor | undefined,
): number | undefined {
  if (calibrated === undefined) return undefined;
  return (chosen ?? calibrated) * (auditor?.thresholdScale ?? 1);
}
