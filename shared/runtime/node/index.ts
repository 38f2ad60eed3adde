export { InlineRunner, type InlineRunnerOptions } from './inline-runner.ts';
export { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';
