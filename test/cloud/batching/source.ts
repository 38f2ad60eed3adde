import * as assert from 'uvu/assert';
import {
  type Batch,
  type BatchingPolicy,
  parseBatchingPolicy,
  type Ticket,
} from '../../../cloud/batching/index.ts';

export type Named = Ticket<string>;

/** A request of one row that came at 0 and has a second, but for what `change` says. */
export function ticket(item: string, change: Partial<Named> = {}): Named {
  return {
    lane: 'm@1',
    client: 'c',
    priority: 0,
    rows: 1,
    queuedAtMs: 0,
    deadlineMs: 1000,
    item,
    ...change,
  };
}

/** A policy with batches of at most 8 rows, but for what the settings say. */
export function policy(settings: object = {}, maxBatchRows = 8): BatchingPolicy {
  return parseBatchingPolicy({ max_batch_size: maxBatchRows, dynamic_batching: settings }, 'the test');
}

export function names(batch: Batch<string> | undefined): string[] | undefined {
  return batch?.tickets.map(({ item }) => item);
}

export function nobodyExpires({ item }: Named): void {
  assert.unreachable(`${item} expired`);
}
