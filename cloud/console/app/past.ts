import type { ConsoleHistory } from '../snapshot-schema.ts';

/** Five minutes, as the server keeps. */
export const keptSeconds = 300;

/** What was told of a server's last minutes, put together from pieces. */
export interface Past {
  /** Seconds since the start of the server. */
  readonly firstSecond: number;
  readonly rows: readonly number[];
  readonly batches: readonly number[];
  readonly refusals: readonly number[];
  readonly queueP95Ms: readonly (number | null)[];
  readonly exits: readonly (readonly number[])[];
}

export const noPast: Past = {
  ...{ firstSecond: 0, rows: [], batches: [], refusals: [], queueP95Ms: [], exits: [] },
};

/** The second that has not been told yet. */
export function nextSecond({ firstSecond, rows }: Past): number {
  return firstSecond + rows.length;
}

/** Puts the newest piece behind the rest. Where it does not follow on, the rest is forgotten. */
export function continued(past: Past, piece: ConsoleHistory): Past {
  const overlap = nextSecond(past) - piece.firstSecond;
  const fits = past.rows.length > 0 && overlap >= 0 && piece.firstSecond >= past.firstSecond;
  if (!fits) return last(piece);
  const join = <T>(old: readonly T[], fresh: readonly T[]): T[] => [
    ...old.slice(0, old.length - overlap),
    ...fresh,
  ];
  const depths = Math.max(past.exits.length, piece.exits.length);
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return last({
    firstSecond: past.firstSecond,
    rows: join(past.rows, piece.rows),
    batches: join(past.batches, piece.batches),
    refusals: join(past.refusals, piece.refusals),
    queueP95Ms: join(past.queueP95Ms, piece.queueP95Ms),
    exits: Array.from({ length: depths }, (_, exit) =>
      join(past.exits[exit] ?? zeros(past.rows.length), piece.exits[exit] ?? zeros(piece.rows.length)),
    ),
  });
}

function last(past: Past): Past {
  const surplus = Math.max(0, past.rows.length - keptSeconds);
  return {
    firstSecond: past.firstSecond + surplus,
    rows: past.rows.slice(surplus),
    batches: past.batches.slice(surplus),
    refusals: past.refusals.slice(surplus),
    queueP95Ms: past.queueP95Ms.slice(surplus),
    exits: past.exits.map((rows) => rows.slice(surplus)),
  };
}

/** Rows per batch, null where there was none. */
export function meanBatchRows({ rows, batches }: Past): (number | null)[] {
  return rows.map((count, index) => {
    const ofThem = batches[index] ?? 0;
    return ofThem === 0 ? null : count / ofThem;
  });
}

/** Mean of the last seconds; 0 where nothing is known. */
export function recentMean(values: readonly number[], seconds: number): number {
  const recent = values.slice(-seconds);
  return recent.reduce((sum, value) => sum + value, 0) / Math.max(1, recent.length);
}

/** Exit upon exit: the first list is that of all together, the last that of the first exit alone. */
export function stacked(exits: Past['exits']): number[][] {
  const sums: number[][] = [];
  for (const rows of exits) {
    const below = sums.at(-1);
    sums.push(rows.map((count, index) => count + (below?.[index] ?? 0)));
  }
  return sums.reverse();
}
