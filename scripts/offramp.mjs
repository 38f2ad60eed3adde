#!/usr/bin/env node
// A checkout runs its sources as they are; the published package has them compiled in dist/, of which this file may be a part.
// Where both lie side by side, as in the copy that the tests run from, the compiled ones start sooner.
import { existsSync } from 'node:fs';

const entries = ['./cli.js', './cli.ts', '../dist/scripts/cli.js'].map(
  (path) => new URL(path, import.meta.url),
);
const entry = entries.find((url) => existsSync(url));
if (entry === undefined) throw new Error('offramp is not built: run npm run build');
if (entry.pathname.endsWith('.ts')) (await import('tsx/esm/api')).register();
await import(entry.href);
