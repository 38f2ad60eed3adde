import { type BatchingPolicy, queuePolicyOf } from '../batching/index.ts';
import type { CheckedRequest } from './infer-request.ts';

/** How long a request may take, and how long it may wait where its queue takes that from a request. */
export interface RequestTime {
  readonly budgetMs: number;
  readonly timeoutMicros?: number;
}

/**
 * What a request's `timeout` bounds. Where the bundle's queue lets requests bring their own, it is Triton's (schedule policy
 * extension): the time to wait, after which the queue's `timeout_action` decides, so the answer itself gets the usual budget.
 * Elsewhere nothing in the queue would end by it, and it is the budget of the answer.
 */
export function requestTime(
  { timeoutMicros, priority = 0 }: Pick<CheckedRequest, 'timeoutMicros' | 'priority'>,
  policy: BatchingPolicy,
  usualBudgetMs: number,
): RequestTime {
  if (timeoutMicros === undefined) return { budgetMs: usualBudgetMs };
  const timeoutMs = timeoutMicros / 1000;
  if (queuePolicyOf(policy, priority)?.allowTimeoutOverride !== true) return { budgetMs: timeoutMs };
  return { budgetMs: Math.max(timeoutMs, usualBudgetMs), timeoutMicros };
}
