import { InvalidArgumentError } from 'commander';

/** Parses a number within bounds, for commander. */
export function numberWithin(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected a number from ${minimum} to ${maximum}.`);
  };
}

/** Parses a day that exists, YYYY-MM-DD, for commander. */
export function day(text: string): string {
  const date = new Date(`${text}T00:00:00Z`);
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(date.getTime());
  if (isDay && date.toISOString().startsWith(text)) return text;
  throw new InvalidArgumentError('Expected a day as YYYY-MM-DD.');
}
