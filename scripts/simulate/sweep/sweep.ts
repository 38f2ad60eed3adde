import { type Cell, joinPieces, type Piece, piecesOf, runCell } from '../cells.ts';
import type { FleetResult } from '../fleet.ts';
import type { PreparedScenario, ScenarioPlace } from '../prepare-scenario.ts';
import type { RunResult } from '../result.ts';
import { SweepThread } from './sweep-thread.ts';

export interface SweepOptions {
  readonly prepared: PreparedScenario;
  readonly place: ScenarioPlace;
  /** Runs at the same time, each in a thread of its own; 1 for one after the other in this one. */
  readonly jobs: number;
}

/** Runs one cell; several may be asked for at once. Which thread runs it has no part in the result. */
export type RunCell = (cell: Cell) => Promise<RunResult>;

/**
 * Does work that runs many cells. Threads start when there is something for them to do, and have ended when this has, whether the work
 * ends well or not.
 * @throws OfframpError what a run throws, or INTERNAL when a thread dies.
 */
export async function withSweep<Result>(
  options: SweepOptions,
  work: (run: RunCell) => Promise<Result>,
): Promise<Result> {
  const { prepared, jobs } = options;
  if (jobs === 1) return work(oneAfterTheOther(prepared));
  const pool = new SweepPool(options);
  const run = async (cell: Cell) => {
    const results = await Promise.all(piecesOf(prepared, cell).map((piece) => pool.run(piece)));
    return joinPieces(prepared, cell, results);
  };
  try {
    return await work(run);
  } finally {
    await pool.close();
  }
}

/** Two fleets at once would only need more memory. */
function oneAfterTheOther(prepared: PreparedScenario): RunCell {
  let previous: Promise<unknown> = Promise.resolve();
  return (cell) => {
    const run = previous.then(() => runCell(prepared, cell));
    previous = run;
    // Whoever asked for the run hears of its failure; nothing is begun after it.
    previous.catch(() => {});
    return run;
  };
}

/** Hands pieces to threads, in the order in which they are asked for. */
class SweepPool {
  readonly #options: SweepOptions;
  readonly #threads: SweepThread[] = [];
  readonly #idle: SweepThread[] = [];
  readonly #waiting: ((thread: SweepThread) => void)[] = [];

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  async run(piece: Piece): Promise<FleetResult> {
    const thread = await this.#turn();
    const result = await thread.run(piece);
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(thread);
    else next(thread);
    return result;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stop()));
  }

  #turn(): SweepThread | Promise<SweepThread> {
    const { prepared, place, jobs } = this.#options;
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#threads.length === jobs) {
      return new Promise((start) => this.#waiting.push(start));
    }
    const thread = new SweepThread({ scenario: prepared.scenario, place });
    this.#threads.push(thread);
    return thread;
  }
}
