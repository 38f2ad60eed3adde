import { DurationEstimate } from './reserve.ts';

/** How long a device takes for an answer of its own, and how much it has under way: the same whatever plan an image follows. */
export class DevicePace {
  /** Making the pixels of a picture. */
  readonly prepareTime = new DurationEstimate();
  /** Running the first segment and asking its exit. */
  readonly ownTime = new DurationEstimate();
  /** Images under way. */
  inFlight = 0;
  /** Answers that the device is making of its own at cut 0. */
  ownUnderWay = 0;
}
