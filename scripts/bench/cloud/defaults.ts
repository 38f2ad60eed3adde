/** What a server is measured with unless somebody says otherwise. */
export const cloudBenchDefaults = {
  connections: 64,
  workers: 1,
  threads: 1,
  maxBatchRows: 64,
  budgetMs: 500,
  seconds: 4,
  rounds: 3,
  seed: 1,
} as const;
