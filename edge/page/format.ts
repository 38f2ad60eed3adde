/** Numbers as the page shows them. */

/** Milliseconds with two figures that mean something. */
export function milliseconds(ms: number): string {
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return ms >= 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`;
}

export function bytes(count: number): string {
  if (count < 10_000) return `${Math.round(count)} bytes`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** An entropy or a threshold: small ones need more places. */
export function entropy(value: number): string {
  return value > 0 && value < 0.01 ? value.toFixed(4) : value.toFixed(3);
}
