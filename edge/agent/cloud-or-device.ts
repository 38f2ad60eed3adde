import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';

export interface CloudOrDevice<C, D> {
  readonly clock: Clock;
  /** The cloud's answer; settles by the end of the budget. */
  readonly cloud: Promise<C>;
  /** Begins with the device's own answer. Called once or never. */
  readonly device: () => Promise<D>;
  /** When to begin with it though the cloud may still answer. */
  readonly startInMs: number;
  /** Whether the device's own answer is as good as the cloud's would be. */
  readonly isFinal: (own: D) => boolean;
}

/** Whose answer it became; `error` is why it is not the cloud's, where the cloud failed. */
export type CloudOrDeviceEnd<C, D> =
  | { readonly by: 'cloud'; readonly answer: C }
  | { readonly by: 'device'; readonly answer: D; readonly error?: OfframpError };

type Settled<T> = { readonly value: T } | { readonly error: OfframpError };

/**
 * Waits for the cloud's answer with the device's own at hand: the device begins when the cloud has failed, or when only the time
 * it needs is left. From then on the first answer that will do is taken: the cloud's, or the device's when it is as good, or when
 * the cloud has failed.
 * @throws OfframpError of the device, when neither has an answer.
 */
export async function cloudOrDevice<C, D>(options: CloudOrDevice<C, D>): Promise<CloudOrDeviceEnd<C, D>> {
  const cloud = settled(options.cloud);
  const early = await within(options.clock, options.startInMs, cloud);
  if (early !== undefined && 'value' in early) return { by: 'cloud', answer: early.value };
  const device = settled(options.device());
  if (early === undefined) {
    const first = await Promise.race([cloud, device.then((own) => ({ own }))]);
    if ('own' in first && 'value' in first.own && options.isFinal(first.own.value)) {
      return { by: 'device', answer: first.own.value };
    }
  }
  const end = await cloud;
  if ('value' in end) return { by: 'cloud', answer: end.value };
  const own = await device;
  if ('value' in own) return { by: 'device', answer: own.value, error: end.error };
  throw own.error;
}

/** What became of a promise, as a value: nobody may be there to catch what it throws. */
async function settled<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise };
  } catch (thrown) {
    return { error: OfframpError.from(thrown) };
  }
}

/** The promise's value, or `undefined` when it takes longer. */
async function within<T>(clock: Clock, limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.schedule(Math.max(0, limitMs), () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}
