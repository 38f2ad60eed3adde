// A worker thread does not inherit the loader that lets the main thread import TypeScript, so it registers it itself.
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.entry);
