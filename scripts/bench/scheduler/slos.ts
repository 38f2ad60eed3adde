import { latencyTable, type ModelProfile } from './profile.ts';

/**
 * EdgeServing's 20, 50 and 70 ms over the 13.53 ms that its dearest model takes for half of a full batch: deadlines mean something
 * only in proportion to what work takes.
 */
const slosPerBatch = [20 / 13.53, 50 / 13.53, 70 / 13.53];

/** Deadlines in EdgeServing's proportions for these models, milliseconds with one decimal. */
export function defaultSlos(models: readonly ModelProfile[]): number[] {
  const dearestMs = Math.max(...models.map(halfBatchMs));
  return slosPerBatch.map((factor) => Number((factor * dearestMs).toFixed(1)));
}

function halfBatchMs(model: ModelProfile): number {
  const rows = Math.max(1, Math.floor(model.passes.length / 2));
  const final = latencyTable(model)
    .filter((figures) => figures.rows === rows)
    .at(-1);
  return final?.p95 ?? Number.NaN;
}
