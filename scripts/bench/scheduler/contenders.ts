import type { Scheduler } from '../../../cloud/batching/index.ts';
import {
  deepestInTime,
  earliestDeadlineFirst,
  edgeServing,
  fifo,
  finalExit,
  firstExit,
  longestQueueFirst,
  offramp,
} from '../../../cloud/scheduling/index.ts';

export interface Contender {
  readonly name: string;
  /** What it does, in a few words. */
  readonly rule: string;
  readonly scheduler: Scheduler;
  /** Whether ours is held against it. A yardstick only shows what another aim would reach. */
  readonly role: 'ours' | 'other' | 'yardstick';
}

/** The schedulers that are compared, ours last. */
export function contenders(executors: number): Contender[] {
  return [
    { name: 'fifo', rule: 'oldest request first, final exit', scheduler: fifo, role: 'other' },
    {
      name: 'edf',
      rule: 'earliest deadline first, final exit',
      scheduler: earliestDeadlineFirst,
      role: 'other',
    },
    {
      name: 'lqf-final',
      rule: 'longest queue first, final exit',
      scheduler: longestQueueFirst(finalExit),
      role: 'other',
    },
    {
      name: 'lqf-time',
      rule: 'longest queue first, deepest exit in time',
      scheduler: longestQueueFirst(deepestInTime),
      role: 'other',
    },
    {
      name: 'edgeserving',
      rule: 'least harm to the others, deepest exit in time',
      scheduler: edgeServing,
      role: 'other',
    },
    {
      name: 'lqf-first',
      rule: 'longest queue first, first exit: accuracy counts for nothing',
      scheduler: longestQueueFirst(firstExit),
      role: 'yardstick',
    },
    { name: 'offramp', rule: 'plans all that waits', scheduler: offramp({ executors }), role: 'ours' },
  ];
}
