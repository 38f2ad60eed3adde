import type { Scheduler } from '../../../cloud/batching/index.ts';
import {
  firstExit,
  longestQueueFirst,
  type SchedulerName,
  schedulerNamed,
} from '../../../cloud/scheduling/index.ts';

export interface Contender {
  readonly name: string;
  /** What it does, in a few words. */
  readonly rule: string;
  readonly scheduler: Scheduler;
  /** Whether ours is held against it. A yardstick only shows what another aim would reach. */
  readonly role: 'ours' | 'other' | 'yardstick';
}

const rules: Readonly<Record<SchedulerName, string>> = {
  fifo: 'oldest request first, final exit',
  edf: 'earliest deadline first, final exit',
  'lqf-final': 'longest queue first, final exit',
  'lqf-time': 'longest queue first, deepest exit in time',
  edgeserving: 'least harm to the others, deepest exit in time',
  offramp: 'plans for all that waits, final exit unless that makes someone late',
};
const others = ['fifo', 'edf', 'lqf-final', 'lqf-time', 'edgeserving'] as const satisfies SchedulerName[];
const ours = 'offramp' satisfies SchedulerName;

/** What a server offers, ours last, and what there would be to gain if accuracy counted for nothing. */
export function contenders(executors: number): Contender[] {
  const named = (name: SchedulerName, role: Contender['role']): Contender => ({
    name,
    rule: rules[name],
    scheduler: schedulerNamed(name, executors),
    role,
  });
  return [
    ...others.map((name) => named(name, 'other')),
    {
      name: 'lqf-first',
      rule: 'longest queue first, first exit: accuracy counts for nothing',
      scheduler: longestQueueFirst(firstExit),
      role: 'yardstick',
    },
    named(ours, 'ours'),
  ];
}
