import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OfframpError } from '../../shared/errors.ts';
import { say } from '../output.ts';
import { measureStep, readDocuments, resultsPage, type StepName } from '../results/index.ts';

export interface ResultsCommandOptions {
  readonly measure?: readonly StepName[];
  readonly data?: string;
  readonly out: string;
}

const pageFile = 'README.md';

/** Measures what is asked for, and makes the page of all that is there. */
export async function resultsCommand({ measure = [], data, out }: ResultsCommandOptions): Promise<void> {
  mkdirSync(out, { recursive: true });
  for (const step of measure) {
    say(`Measuring ${step}`);
    await measureStep(step, out, data);
  }
  const documents = readDocuments(out);
  if (Object.keys(documents).length === 0) {
    throw new OfframpError('DATA_MISSING', `${out}: nothing was measured there yet, expected --measure all`);
  }
  const { markdown, charts } = resultsPage(documents);
  for (const { name, svg } of charts) writeFileSync(join(out, name), svg);
  writeFileSync(join(out, pageFile), markdown);
  say(`Written to ${join(out, pageFile)}, with ${charts.length} charts`);
}
