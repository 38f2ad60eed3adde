import type { Scheduler } from '../batching/types.ts';
import { edgeServing } from './edge-serving.ts';
import { deepestInTime, finalExit } from './exit-rules.ts';
import { offramp } from './offramp.ts';
import { earliestDeadlineFirst, fifo, longestQueueFirst } from './single-key.ts';

const makers = {
  offramp: (executors: number) => offramp({ executors }),
  edgeserving: () => edgeServing,
  fifo: () => fifo,
  edf: () => earliestDeadlineFirst,
  'lqf-time': () => longestQueueFirst(deepestInTime),
  'lqf-final': () => longestQueueFirst(finalExit),
} satisfies Record<string, (executors: number) => Scheduler>;

export type SchedulerName = keyof typeof makers;

/** What a server can be told to schedule by, the project's own first. */
export const schedulerNames = Object.keys(makers) as SchedulerName[];

/** The scheduler of that name for so many executors. */
export function schedulerNamed(name: SchedulerName, executors: number): Scheduler {
  return makers[name](executors);
}
