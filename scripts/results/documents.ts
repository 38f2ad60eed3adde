import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OfframpError } from '../../shared/errors.ts';
import type { Comparison } from '../bench/e2e/compare.ts';
import type { LiveResult } from '../bench/e2e/live-cell.ts';
import type { WebBench } from '../bench/web/bench.ts';
import type { RunRecord } from '../evaluate/run-record.ts';
import type { TableEntry } from '../evaluate/table/figures.ts';
import type { RunResult, Scenario } from '../simulate/index.ts';

/** What `evaluate --table --json` says. */
export interface TableDocument extends RunRecord {
  readonly bundles: readonly TableEntry[];
}

/** What `simulate --out` writes. */
export interface SimulatedDocument extends RunRecord {
  readonly scenario: Scenario;
  readonly results: readonly RunResult[];
}

/** What `bench e2e --out` writes. */
export interface LiveDocument extends RunRecord {
  readonly scenario: Scenario;
  readonly emulator: string;
  readonly congestion?: string;
  readonly images: string;
  readonly results: readonly LiveResult[];
  readonly simulated?: readonly RunResult[];
  readonly comparisons?: readonly Comparison[];
}

/** What `bench web --json` says. */
export interface WebDocument extends RunRecord, WebBench {}

/** Everything that the page may be made of; what was not measured is absent. */
export interface Documents {
  readonly table?: TableDocument;
  readonly links?: SimulatedDocument;
  readonly linksLive?: LiveDocument;
  readonly againstLive?: LiveDocument;
  readonly web?: WebDocument;
}

/** The file of each document. */
export const documentFiles: Readonly<Record<keyof Documents, string>> = {
  table: 'table.json',
  links: 'six-links.json',
  linksLive: 'six-links-live.json',
  againstLive: 'against-live.json',
  web: 'web.json',
};

/** Reads what is there. @throws OfframpError DATA_CORRUPT for a file that none of our commands wrote. */
export function readDocuments(folder: string): Documents {
  const table = readDocument<TableDocument>(folder, 'table', 'bundles');
  const links = readDocument<SimulatedDocument>(folder, 'links', 'results');
  const linksLive = readDocument<LiveDocument>(folder, 'linksLive', 'results');
  const web = readDocument<WebDocument>(folder, 'web', 'warm');
  const againstLive = readDocument<LiveDocument>(folder, 'againstLive', 'comparisons');
  return {
    ...(table !== undefined && { table }),
    ...(links !== undefined && { links }),
    ...(linksLive !== undefined && { linksLive }),
    ...(againstLive !== undefined && { againstLive }),
    ...(web !== undefined && { web }),
  };
}

/** @param field one that the document has to have, a list or an object. */
function readDocument<T extends RunRecord>(
  folder: string,
  name: keyof Documents,
  field: keyof T & string,
): T | undefined {
  const file = join(folder, documentFiles[name]);
  if (!existsSync(file)) return undefined;
  const corrupt = (got: string) =>
    new OfframpError(
      'DATA_CORRUPT',
      `${file}: got ${got}, expected what offramp results --measure ${name} writes`,
    );
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw corrupt('no JSON');
  }
  if (typeof json !== 'object' || json === null || !isCompound(Reflect.get(json, field))) {
    throw corrupt(`no '${field}'`);
  }
  // Written by this very program; what else may be wrong shows in the page.
  return json as T;
}

function isCompound(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
