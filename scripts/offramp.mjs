#!/usr/bin/env node
// From a checkout the sources run as they are; the published package holds them compiled.
import { existsSync } from 'node:fs';

if (existsSync(new URL('./cli.ts', import.meta.url))) {
  const { register } = await import('tsx/esm/api');
  register();
  await import('./cli.ts');
} else {
  await import('./cli.js');
}
