import { OfframpError } from '../shared/errors.ts';
import type { Batch, Ticket } from './batching/index.ts';
import type { Lane } from './lanes.ts';
import type { TensorWork } from './work.ts';

/** What the engine keeps of a request that waits. */
export interface Pending {
  readonly lane: Lane;
  readonly work: TensorWork;
}

/** Every ticket of a batch is of one lane, so the first speaks for all. */
export function laneOf(batch: Batch<Pending>): Lane {
  const [first] = batch.tickets;
  if (first === undefined) throw new OfframpError('INTERNAL', 'A batch without requests');
  return first.item.lane;
}

/** The tensors of all tickets, one behind the other; that of a single one as it is, for nobody else has it. */
export function joined(tickets: readonly Ticket<Pending>[], size: number): Uint8Array<ArrayBuffer> {
  const [only, ...more] = tickets;
  if (only !== undefined && more.length === 0) return only.item.work.tensor;
  const tensor = new Uint8Array(size);
  let at = 0;
  for (const { item } of tickets) {
    tensor.set(item.work.tensor, at);
    at += item.work.tensor.length;
  }
  return tensor;
}
