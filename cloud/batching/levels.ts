import { OfframpError } from '../../shared/errors.ts';
import { type BatchingPolicy, priorityLevel, type QueuePolicy } from './policy.ts';
import { Turns, type TurnTaker } from './turns.ts';

/** The requests of one priority. */
export interface Level<M extends TurnTaker<M>> {
  readonly priority: number;
  readonly policy: QueuePolicy;
  /** Served before those delayed. */
  readonly inTime: Turns<M>;
  /** Past their timeout, where that only delays them. */
  readonly delayed: Turns<M>;
}

/** All requests of a lane in the order in which they are served: by priority, and of one priority the delayed ones last. */
export class Levels<M extends TurnTaker<M>> {
  readonly #policy: BatchingPolicy;
  /** Priority 1 first. */
  readonly #levels: readonly Level<M>[];
  readonly #sections: readonly Turns<M>[];

  constructor(policy: BatchingPolicy) {
    this.#policy = policy;
    this.#levels = policy.queuePolicies.map((own, index) => ({
      priority: index + 1,
      policy: own,
      inTime: new Turns<M>(),
      delayed: new Turns<M>(),
    }));
    this.#sections = this.#levels.flatMap(({ inTime, delayed }) => [inTime, delayed]);
  }

  /** The level at which a request is served that asks for `priority`. */
  at(priority: number): Level<M> {
    const level = this.#levels[priorityLevel(this.#policy, priority) - 1];
    if (level === undefined) throw new OfframpError('INTERNAL', `There is no level for priority ${priority}`);
    return level;
  }

  /** Rows that would be served before a new request of this priority; delayed ones are not, nor those of lower priority. */
  rowsBefore(priority: number, client: string, rows: number): number {
    const own = this.at(priority);
    const higher = this.#levels.slice(0, own.priority - 1);
    const higherRows = higher.reduce((sum, { inTime, delayed }) => sum + inTime.rows + delayed.rows, 0);
    return higherRows + own.inTime.rowsBefore(client, rows);
  }

  *inOrder(): Generator<M, void, undefined> {
    for (const section of this.#sections) {
      if (section.requests > 0) yield* section.inOrder();
    }
  }
}
