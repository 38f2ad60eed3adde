/**
 * What is believed of a link: the logarithms of its round trip in milliseconds and of its milliseconds per byte, jointly normal.
 * Logarithms, because links change by factors and neither can be negative.
 */
export interface LinkState {
  /** ln of the round trip of a message without bytes, milliseconds. */
  readonly rtt: number;
  /** ln of the milliseconds that one more byte takes. */
  readonly perByte: number;
  readonly rttVariance: number;
  readonly perByteVariance: number;
  readonly covariance: number;
}

/** One round trip as it is weighed against a state. */
export interface Evidence {
  readonly bytes: number;
  /** ln of the milliseconds. */
  readonly time: number;
  /** Variance of `time` beyond what the state explains. */
  readonly noise: number;
}

/** What a state says of a message of some bytes. */
export interface Expectation {
  /** ln of the milliseconds. */
  readonly time: number;
  /** Variance of `time` that comes from not knowing the link. */
  readonly variance: number;
  /** Share of the time that is the round trip; the rest is transmission. How much the message says of either. */
  readonly rttShare: number;
}

/** Round trips from 5 us to 10 minutes. */
const rttBounds = [Math.log(0.005), Math.log(600_000)] as const;
/** From 100 Gbit/s to 100 bit/s. */
const perByteBounds = [Math.log(8e-8), Math.log(80)] as const;
const rounds = 4;

/** The time of a message is e^rtt + bytes * e^perByte; its variance to first order. */
export function expect(state: LinkState, bytes: number): Expectation {
  const rttMs = Math.exp(state.rtt);
  const ms = rttMs + bytes * Math.exp(state.perByte);
  const rttShare = rttMs / ms;
  return { time: Math.log(ms), variance: varianceAlong(state, rttShare), rttShare };
}

/**
 * The state after a round trip: an extended Kalman filter, its linearisation repeated at the result, as a link that changed by a
 * factor of ten is far from where the first one holds.
 */
export function learn(state: LinkState, { bytes, time, noise }: Evidence): LinkState {
  let [rtt, perByte] = [state.rtt, state.perByte];
  let next = state;
  for (let round = 0; round < rounds; round++) {
    const here = expect({ ...state, rtt, perByte }, bytes);
    const byteShare = 1 - here.rttShare;
    const scale = here.variance + noise;
    const rttGain = (state.rttVariance * here.rttShare + state.covariance * byteShare) / scale;
    const perByteGain = (state.covariance * here.rttShare + state.perByteVariance * byteShare) / scale;
    const foreseen = here.time + here.rttShare * (state.rtt - rtt) + byteShare * (state.perByte - perByte);
    const surprise = time - foreseen;
    rtt = clamp(state.rtt + rttGain * surprise, rttBounds);
    perByte = clamp(state.perByte + perByteGain * surprise, perByteBounds);
    next = {
      rtt,
      perByte,
      rttVariance: Math.max(1e-9, state.rttVariance - rttGain * rttGain * scale),
      perByteVariance: Math.max(1e-9, state.perByteVariance - perByteGain * perByteGain * scale),
      covariance: state.covariance - rttGain * perByteGain * scale,
    };
  }
  return next;
}

/** The state after a time without evidence: it goes back to what is usual, as much as `kept` (0 to 1) says it still holds. */
export function fade(state: LinkState, usual: LinkState, kept: number): LinkState {
  const spread = 1 - kept * kept;
  return {
    rtt: usual.rtt + kept * (state.rtt - usual.rtt),
    perByte: usual.perByte + kept * (state.perByte - usual.perByte),
    rttVariance: kept * kept * state.rttVariance + spread * usual.rttVariance,
    perByteVariance: kept * kept * state.perByteVariance + spread * usual.perByteVariance,
    covariance: kept * kept * state.covariance,
  };
}

/** What is usual, after a state that counts `weight` (0 to 1): running means, and variances that include the state's own. */
export function average(usual: LinkState, state: LinkState, weight: number): LinkState {
  const rttStep = state.rtt - usual.rtt;
  const perByteStep = state.perByte - usual.perByte;
  const spread = (variance: number, step: number, own: number) =>
    (1 - weight) * (variance + weight * step * step) + weight * own;
  return {
    rtt: usual.rtt + weight * rttStep,
    perByte: usual.perByte + weight * perByteStep,
    rttVariance: spread(usual.rttVariance, rttStep, state.rttVariance),
    perByteVariance: spread(usual.perByteVariance, perByteStep, state.perByteVariance),
    covariance: 0,
  };
}

/** The same link, of which no more is known than `least` variance allows; what tied the two parts together is forgotten. */
export function loosened(state: LinkState, least: LinkState): LinkState {
  return {
    rtt: state.rtt,
    perByte: state.perByte,
    rttVariance: Math.max(state.rttVariance, least.rttVariance),
    perByteVariance: Math.max(state.perByteVariance, least.perByteVariance),
    covariance: 0,
  };
}

function varianceAlong({ rttVariance, perByteVariance, covariance }: LinkState, rttShare: number): number {
  const byteShare = 1 - rttShare;
  const variance =
    rttShare * rttShare * rttVariance +
    2 * rttShare * byteShare * covariance +
    byteShare * byteShare * perByteVariance;
  return Math.max(1e-9, variance);
}

function clamp(value: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, value));
}
