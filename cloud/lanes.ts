import type { BundleRun } from '../shared/protocol/index.ts';
import { segmentKey, type WarmRun } from '../shared/runtime/index.ts';
import { DurationModel, type WarmUpBatch } from './batching/index.ts';
import type { Way } from './flight.ts';
import type { ServedBundle } from './served-bundle.ts';

/** What requests have in common that may share a batch. */
export interface LaneEntry {
  readonly served: ServedBundle;
  readonly cut: number;
  readonly way: Way;
}

export interface Lane extends LaneEntry {
  readonly name: string;
  /** Requests that wait or run. */
  requests: number;
}

/** The lanes of all bundles, what was learnt of each, and how much of each is under way. */
export class Lanes {
  readonly durations = new DurationModel();
  readonly #lanes = new Map<string, Lane>();
  /** Called when a bundle has nothing left to do. */
  readonly #awaited = new Map<ServedBundle, () => void>();

  get all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  byName(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  /** The lane of a request, made when it is its first. */
  of(entry: LaneEntry): Lane {
    return this.#lanes.get(laneName(entry)) ?? this.#add(entry, []);
  }

  /** Makes a bundle's lanes from every cut known, with what its graphs took while they were warmed up. */
  introduce(served: ServedBundle, warmRuns: readonly WarmRun[]): void {
    for (const cut of served.graphs.keys()) this.#add({ served, cut, way: 'cascade' }, warmRuns);
  }

  enter(lane: Lane): void {
    lane.requests++;
  }

  /** A request has ended, one way or another. */
  leave(lane: Lane): void {
    lane.requests--;
    const tell = this.#awaited.get(lane.served);
    if (tell === undefined || this.#of(lane.served).some(({ requests }) => requests > 0)) return;
    this.#awaited.delete(lane.served);
    tell();
  }

  /** Resolves once nothing of the bundle waits or runs, and forgets its lanes. Nothing new of it may come. */
  async settled(served: ServedBundle): Promise<void> {
    if (this.#of(served).some(({ requests }) => requests > 0)) {
      await new Promise<void>((resolve) => {
        this.#awaited.set(served, resolve);
      });
    }
    for (const { name } of this.#of(served)) {
      this.#lanes.delete(name);
      this.durations.forget(name);
    }
  }

  /** What batches take, as far as it was measured, for every cut and exit behind it. */
  runsOf(served: ServedBundle): BundleRun[] {
    const lanes = this.#of(served).filter(
      ({ name, way }) => way === 'cascade' && this.durations.isMeasured(name),
    );
    return lanes.flatMap(({ name, cut }) =>
      this.durations.exits(name).map((exit) => {
        const fixedMs = this.durations.meanMs(name, exit, 0);
        const perRowMs = this.durations.meanMs(name, exit, 1) - fixedMs;
        return { cut, exit, fixedMicros: micros(fixedMs), perRowMicros: micros(perRowMs) };
      }),
    );
  }

  #of(served: ServedBundle): Lane[] {
    return [...this.#lanes.values()].filter((lane) => lane.served === served);
  }

  #add(entry: LaneEntry, warmRuns: readonly WarmRun[]): Lane {
    const { served, cut, way } = entry;
    const lane: Lane = { name: laneName(entry), served, cut, way, requests: 0 };
    const last = way === 'segment' ? cut : served.graphs.length - 1;
    const exits = Array.from({ length: last - cut + 1 }, (_, index) => cut + index);
    this.durations.register(lane.name, exits, warmBatches(served, exits, warmRuns));
    this.#lanes.set(lane.name, lane);
    return lane;
  }
}

function micros(ms: number): number {
  return Math.max(0, Math.round(1000 * ms));
}

function laneName({ served, cut, way }: LaneEntry): string {
  return `${served.runKey}/${cut}${way === 'segment' ? ' alone' : ''}`;
}

/** What a batch takes to each exit: the runs of the segments until there, had every row gone on. */
function warmBatches(
  { runKey }: ServedBundle,
  exits: readonly number[],
  warmRuns: readonly WarmRun[],
): WarmUpBatch[] {
  const sizes = [...new Set(warmRuns.map(({ rows }) => rows))];
  const batches = sizes.flatMap((rows) => {
    let durationMs = 0;
    return exits.map((exit) => {
      const run = warmRuns.find((one) => one.key === segmentKey(runKey, exit) && one.rows === rows);
      durationMs += (run?.runMicros ?? Number.NaN) / 1000;
      return { exit, rows, durationMs };
    });
  });
  return batches.filter(({ durationMs }) => Number.isFinite(durationMs));
}
