/** Numbers as people read them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

export function count(value: number): string {
  return whole.format(value);
}

/** Three digits, or as many as a whole number has. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? whole.format(value) : short.format(value);
}

/** A share of 0 to 1 in percent. */
export function percent(share: number): string {
  return `${short.format(100 * share)} %`;
}

/** A duration given in milliseconds; a dash for none. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  return ms < 1000 ? `${figure(ms)} ms` : `${figure(ms / 1000)} s`;
}

/** An age in its two largest units. */
export function age(seconds: number): string {
  const units = [
    { size: 86_400, name: 'd' },
    { size: 3600, name: 'h' },
    { size: 60, name: 'min' },
    { size: 1, name: 's' },
  ];
  const rest = Math.max(0, Math.floor(seconds));
  const first = units.findIndex(({ size }) => rest >= size);
  if (first === -1) return '0 s';
  let left = rest;
  const parts = units.slice(first, first + 2).map(({ size, name }) => {
    const times = Math.floor(left / size);
    left -= times * size;
    return { times, text: `${times} ${name}` };
  });
  return parts
    .filter(({ times }) => times > 0)
    .map(({ text }) => text)
    .join(' ');
}

export function bytes(value: number): string {
  const kibi = value / 1024;
  return kibi < 1024 ? `${figure(kibi)} KiB` : `${figure(kibi / 1024)} MiB`;
}

/** Shares of a sum in percent by index, such as `1: 60 %, 3: 40 %`; a dash for nothing. */
export function shares(rows: readonly number[], nameOf: (index: number) => string): string {
  const sum = rows.reduce((total, one) => total + one, 0);
  if (sum === 0) return '–';
  const named = rows.flatMap((one, index) =>
    one === 0 ? [] : [`${nameOf(index)} ${Math.round((100 * one) / sum)} %`],
  );
  return named.join(', ');
}

/** Time of day on this machine, hh:mm:ss. */
export function clockTime(epochMs: number): string {
  return new Date(epochMs).toLocaleTimeString('en-GB');
}
