export { bundleFolder } from './bundle-folder.ts';
export { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';
