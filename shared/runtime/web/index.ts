export type { LibraryOf } from '../library.ts';
export { startWebRunner, type WebRunnerOptions } from './start-web-runner.ts';
export { type ThreadFacts, threadsFor } from './threads.ts';
export { webLibrary } from './web-library.ts';
