/** What the server of this page tells it. */

export interface ServedBundle {
  readonly id: string;
  readonly title: string;
  readonly images?: { readonly source: string; readonly count: number };
}

export interface PageConfig {
  readonly version: string;
  readonly cloudUrls: readonly string[];
  readonly bundles: readonly ServedBundle[];
  /** Whether the server did not answer, and this is what it said last time. */
  readonly isKept: boolean;
}

/** Set by the service worker on what it has kept. */
export const keptHeader = 'offramp-kept';

/** @throws Error when there is nothing, not even what was kept. */
export async function readConfig(): Promise<PageConfig> {
  const response = await fetch('config.json', { cache: 'no-cache' });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  // Of the server that the page itself came from.
  const config = (await response.json()) as Omit<PageConfig, 'isKept'>;
  return { ...config, isKept: response.headers.has(keptHeader) };
}

/** Images in a row, with their classes. */
export interface ImageRow {
  readonly count: number;
  image(index: number): Uint8Array;
  /** `undefined` where nobody knows. */
  truth(index: number): number | undefined;
}

const unknownClass = 255;

/** @throws Error when they cannot be had. */
export async function readImages({ id, images }: ServedBundle): Promise<ImageRow> {
  const response = await fetch(`images/${id}`, { cache: 'no-cache' });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const count = images?.count ?? 0;
  const size = bytes.length / count - 1;
  if (!Number.isInteger(size)) throw new Error(`${bytes.length} bytes for ${count} images`);
  return {
    count,
    image: (index) => bytes.subarray(count + index * size, count + (index + 1) * size),
    truth: (index) => (bytes[index] === unknownClass ? undefined : bytes[index]),
  };
}
