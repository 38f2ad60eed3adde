/** Where values lie along an axis, and which of them are named. */
export interface Scale {
  /** First and last value of the axis. */
  readonly from: number;
  readonly to: number;
  /** Values to name, rising, all from `from` to `to`. */
  readonly ticks: readonly number[];
  /** How far along the axis a value lies: 0 at `from`, 1 at `to`. */
  place(value: number): number;
  /** Text of a tick: as few decimals as tell the ticks apart, SI prefixes from 10,000 on. */
  format(value: number): string;
}

export interface ScaleEnds {
  /** The axis begins here, or at the data where these lie lower. */
  readonly from?: number;
  /** The axis ends here, or at the data where these lie higher. */
  readonly to?: number;
}

const wantedTicks = 6;
const prefixes = ['', ' k', ' M', ' G', ' T'] as const;

/**
 * An axis of equal steps over finite values: it begins and ends at round numbers unless `ends` says where, and beyond 0 only for
 * values beyond 0. Values that hardly differ count as one and are put in the middle.
 */
export function linearScale(values: readonly number[], ends: ScaleEnds = {}): Scale {
  const { low, high } = extent(values, ends);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const [least, most] = high - low <= Math.max(1e-12, 1e-9 * largest) ? widened(low) : [low, high];
  const step = roundStep((most - least) / wantedTicks);
  const room = (most - least) * 0.02;
  const from = ends.from === undefined ? roundEnd(least, room, step) : least;
  const to = ends.to === undefined ? -roundEnd(-most, room, step) : most;
  const ticks = multiples(step, from, to);
  const power = prefixPower(Math.max(Math.abs(from), Math.abs(to)));
  const digits = decimals(step / 1000 ** power);
  return {
    from,
    to,
    ticks,
    place: (value) => (value - from) / (to - from),
    format: (value) =>
      value === 0 ? '0' : `${(value / 1000 ** power).toFixed(digits)}${prefixes[power] ?? ''}`,
  };
}

/** An axis of equal ratios over values above 0; it begins and ends at 1, 2 or 5 times a power of ten unless `ends` says where. */
export function logScale(values: readonly number[], ends: ScaleEnds = {}): Scale {
  const { low, high } = extent(values, ends);
  const from = ends.from === undefined ? roundedDown(low) : low;
  const to = ends.to === undefined || high === from ? roundedUp(high === from ? high * 1.01 : high) : high;
  const span = Math.log(to / from);
  return {
    from,
    to,
    ticks: logTicks(from, to),
    place: (value) => Math.log(value / from) / span,
    format: shortNumber,
  };
}

function extent(values: readonly number[], { from, to }: ScaleEnds): { low: number; high: number } {
  const low = values.reduce((a, b) => Math.min(a, b), from ?? Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), to ?? Number.NEGATIVE_INFINITY);
  return { low, high };
}

/**
 * Where an axis begins: at the multiple of `step` at or below the least value, or a little before it where a mark on the very edge
 * would hang out of the plot; not below 0 unless the value is.
 */
function roundEnd(least: number, room: number, step: number): number {
  const end = Math.min(Math.floor(least / step + 1e-9) * step, least - room);
  return least >= 0 ? Math.max(0, end) : end;
}

function widened(value: number): [number, number] {
  const reach = Math.abs(value) <= 1e-12 ? 1 : Math.abs(value) * 0.1;
  return [value - reach, value + reach];
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const mantissa = [1, 2, 5].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10;
  return mantissa * power;
}

function multiples(step: number, from: number, to: number): number[] {
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  // Rounded to the step's own decimals: 3 * 0.1 is not 0.3.
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(15)),
  );
}

const mantissas = [1, 2, 5] as const;

function roundValues(from: number, to: number): number[] {
  const values: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    values.push(...mantissas.map((mantissa) => Number((mantissa * 10 ** power).toPrecision(12))));
  }
  return values.filter((value) => value >= from * (1 - 1e-9) && value <= to * (1 + 1e-9));
}

function roundedDown(value: number): number {
  return roundValues(value / 10, value).at(-1) ?? value;
}

function roundedUp(value: number): number {
  return roundValues(value, value * 10).at(0) ?? value;
}

function logTicks(from: number, to: number): number[] {
  const all = roundValues(from, to);
  if (all.length > 10) return all.filter((value) => Number.isInteger(Math.log10(value)));
  // Within less than half a decade there are too few round values of this kind.
  return all.length >= 3 ? all : [...linearScale([from, to], { from, to }).ticks];
}

function prefixPower(largest: number): number {
  if (largest < 10_000) return 0;
  return Math.min(prefixes.length - 1, Math.floor(Math.log10(largest) / 3));
}

function decimals(step: number): number {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}

function shortNumber(value: number): string {
  const power = prefixPower(value);
  return `${Number((value / 1000 ** power).toPrecision(3))}${prefixes[power] ?? ''}`;
}
