export { Batcher, type BatcherLimits } from './batcher.ts';
export { DurationModel, type WarmUpBatch } from './duration-model.ts';
export { type HeapMember, IndexedHeap } from './heap.ts';
export { LaneQueue, type OnExpired } from './lane-queue.ts';
export {
  type BatchingBounds,
  type BatchingPolicy,
  batchingSchema,
  parseBatchingPolicy,
  priorityLevel,
  type QueuePolicy,
  queuePolicyOf,
} from './policy.ts';
export type { Batch, Choice, Costs, LaneView, LaneWaiting, Scheduler, Ticket, Waiting } from './types.ts';
