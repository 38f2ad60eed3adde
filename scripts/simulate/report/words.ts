import type { Estimated, Interval } from '../result.ts';

const none = '–';

/** Milliseconds with three digits or so, without the unit. */
export function msFigure(value: number): string {
  return Number.isFinite(value) ? grouped(value, value < 10 ? 2 : value < 100 ? 1 : 0) : none;
}

/** Milliseconds in a sentence. */
export function msWords(value: number): string {
  return `${msFigure(value)} ms`;
}

/** A figure and where it lies in 95 of 100 cases. */
export function estimateFigure({ ms, interval: [low, high] }: Estimated): string {
  return `${msFigure(ms)} (${msFigure(low)}–${msFigure(high)})`;
}

/** A share in percent, without the sign. */
export function percentFigure(share: number, digits = 1): string {
  return Number.isFinite(share) ? (100 * share).toFixed(digits) : none;
}

/** A share in a sentence. */
export function percentWords(share: number, digits = 1): string {
  return `${percentFigure(share, digits)} %`;
}

export function shareFigure(share: number, [low, high]: Interval): string {
  return `${percentFigure(share)} (${percentFigure(low)}–${percentFigure(high)})`;
}

/** A number with so many decimals and a comma after thousands; nothing where it was not measured. */
export function grouped(value: number | undefined, digits = 0): string {
  if (value === undefined || !Number.isFinite(value)) return none;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** One number, or the least and the largest of several. */
export function rangeWords(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? grouped(least) : `${grouped(least)} to ${grouped(most)}`;
}

export function deviceWords(devices: number): string {
  return devices === 1 ? '1 device' : `${grouped(devices)} devices`;
}

/** `a, b and c`. */
export function listed(words: readonly string[]): string {
  if (words.length <= 1) return words[0] ?? '';
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** At most so many characters: names are as long as whoever wrote the scenario liked. */
export function shortened(name: string, most: number): string {
  const characters = [...name];
  return characters.length <= most
    ? name
    : `${characters
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`;
}
