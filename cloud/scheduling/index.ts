export { type SchedulerName, schedulerNamed, schedulerNames } from './by-name.ts';
export { edgeServing } from './edge-serving.ts';
export { deepestInTime, type ExitRule, finalExit, firstExit } from './exit-rules.ts';
export { type OfframpOptions, offramp } from './offramp.ts';
export { earliestDeadlineFirst, fifo, longestQueueFirst } from './single-key.ts';
