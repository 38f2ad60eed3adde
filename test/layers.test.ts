import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blankSource } from './support/source.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const rooms = ['shared', 'edge', 'cloud', 'scripts'];

/** Packages that need Node: a browser cannot load them, so the browser-safe core must not import them. */
const nodeOnlyPackages = new Set([
  '@opentelemetry/api',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace',
  'cli-progress',
  'commander',
  'fastify',
  'onnxruntime-node',
  'pino',
  'prom-client',
  'sharp',
  'ws',
]);
/** Folders of the shared room that may need Node; no browser-safe file may reach Node through them. */
const nodeFolders = ['shared/runtime/node/', 'shared/host/'];
/** Folders of other rooms that a browser loads. */
const browserFolders = ['cloud/console/app/', 'edge/agent/', 'edge/page/', 'edge/web/'];
/** The page uses the agent as any page does: these files of its room, and no others. */
const edgePage = {
  folder: 'edge/page/',
  room: 'edge/web/',
  allowed: ['index.ts', 'serve-page.ts', 'web-dial.ts'],
};
const commandLinePackages = new Set(['cli-progress', 'commander']);

/** What each room may never import of ours. */
const forbiddenRooms: Record<string, readonly string[]> = {
  shared: ['edge', 'cloud', 'scripts', 'test'],
  edge: ['cloud', 'scripts', 'test'],
  cloud: ['edge', 'scripts', 'test'],
  scripts: ['test'],
};

interface Import {
  readonly specifier: string;
  /** Written `import type` or `export type`: gone when the program runs. */
  readonly typeOnly: boolean;
}

/** Everything a source imports: static, re-exported, dynamic, required, and files named by `new URL(…, import.meta.url)`. */
function importsOf(source: string): Import[] {
  const { code, strings } = blankSource(source);
  const patterns = [
    /(?<![\w$.])(?:import|export)\s+(type\s)?[\w$*{}\s,]*?\bfrom\s*(?=['"])/g,
    /(?<![\w$.])import\s*(?=['"])/g,
    /(?<![\w$.])(?:import|require)\s*\(\s*(?=['"`]|\s)/g,
    /(?<![\w$.])new\s+URL\s*\(\s*(?=['"])/g,
  ];
  const found: Import[] = [];
  for (const pattern of patterns) {
    for (const match of code.matchAll(pattern)) {
      const specifier = strings.get(match.index + match[0].length);
      if (specifier !== undefined) found.push({ specifier, typeOnly: match[1] !== undefined });
    }
  }
  return found;
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

function isOfNode(specifier: string): boolean {
  const name = packageOf(specifier);
  return specifier.startsWith('node:') || builtinModules.includes(name) || nodeOnlyPackages.has(name);
}

/** Files a browser must be able to load: all that both sides agree on, the agent itself, and what a page has around it. */
function isBrowserSafe(file: string): boolean {
  if (nodeFolders.some((folder) => file.startsWith(folder))) return false;
  return ['shared/', ...browserFolders].some((folder) => file.startsWith(folder));
}

function resolved(file: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(file), specifier));
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? '';
}

/** Whether the page may import a file. */
function isForPage(path: string): boolean {
  if (path.startsWith(edgePage.folder) || path.startsWith('shared/')) return true;
  // Tests run from compiled sources too.
  return edgePage.allowed.some((name) => path.replace(/\.js$/, '.ts') === edgePage.room + name);
}

/** Why one import of one file breaks the layers; `undefined` when it does not. */
function breach(file: string, specifier: string): string | undefined {
  const room = roomOf(file);
  if (isRelative(specifier)) {
    const path = resolved(file, specifier);
    if (file.startsWith(edgePage.folder) && !isForPage(path))
      return 'the page needs edge/web and shared only';
    const target = roomOf(path);
    return forbiddenRooms[room]?.includes(target) ? `${room} must not import ${target}` : undefined;
  }
  const name = packageOf(specifier);
  if (isBrowserSafe(file) && isOfNode(specifier)) return 'the browser-safe core must not need Node';
  if (name.startsWith('onnxruntime-') && !file.startsWith('shared/runtime/')) {
    return 'only shared/runtime knows onnxruntime';
  }
  if (commandLinePackages.has(name) && room !== 'scripts') return 'only scripts talk to a terminal';
  return undefined;
}

/**
 * All breaches in a set of sources (path from the project's root to text): direct ones, and the way by which a
 * browser-safe file reaches Node through others when it runs.
 */
function breaches(sources: ReadonlyMap<string, string>): string[] {
  const imports = new Map([...sources].map(([file, source]) => [file, importsOf(source)]));
  const found: string[] = [];
  for (const [file, list] of imports) {
    for (const { specifier } of list) {
      const reason = breach(file, specifier);
      if (reason !== undefined) found.push(`${file} imports '${specifier}': ${reason}`);
    }
    if (!isBrowserSafe(file)) continue;
    const way = wayToNode(file, imports);
    if (way !== undefined) found.push(`${way.join(' -> ')}: the browser-safe core must not need Node`);
  }
  return found;
}

/** The shortest way over other files from `start` to a package of Node, breadth first; direct imports are not looked at. */
function wayToNode(start: string, imports: ReadonlyMap<string, readonly Import[]>): string[] | undefined {
  const ways = [[start]];
  const seen = new Set([start]);
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    const file = way.at(-1) ?? start;
    const loaded = (imports.get(file) ?? []).filter(({ typeOnly }) => !typeOnly);
    const ofNode = loaded.find(({ specifier }) => file !== start && isOfNode(specifier));
    if (ofNode !== undefined) return [...way, ofNode.specifier];
    for (const { specifier } of loaded) {
      const target = isRelative(specifier) ? resolved(file, specifier) : start;
      if (!seen.has(target)) ways.push([...way, target]);
      seen.add(target);
    }
  }
  return undefined;
}

/** The room of a shared file and its sub-rooms, such as `shared/codec`; files of shared itself, such as errors.ts, are none. */
function sharedRoomOf(file: string): string | undefined {
  const parts = file.split('/');
  return parts[0] === 'shared' && parts.length > 2 ? parts.slice(0, 2).join('/') : undefined;
}

/** Rooms of shared that import each other in a circle, types too: such rooms are one room with a wall in it. */
function circles(sources: ReadonlyMap<string, string>): string[] {
  const targets = new Map<string, Set<string>>();
  for (const [file, source] of sources) {
    const room = sharedRoomOf(file);
    if (room === undefined) continue;
    const others = targets.get(room) ?? new Set();
    targets.set(room, others);
    for (const { specifier } of importsOf(source)) {
      const other = isRelative(specifier) ? sharedRoomOf(resolved(file, specifier)) : undefined;
      if (other !== undefined && other !== room) others.add(other);
    }
  }
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    [...(targets.get(from) ?? [])].some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  return [...targets.keys()].filter((room) => reaches(room, room)).sort();
}

function readSources(): Map<string, string> {
  const sources = new Map<string, string>();
  for (const room of rooms) {
    if (!existsSync(join(root, room))) continue;
    for (const entry of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(?:ts|mts|mjs|js)$/.test(entry)) continue;
      sources.set(`${room}/${entry.split(sep).join('/')}`, readFileSync(join(root, room, entry), 'utf8'));
    }
  }
  return sources;
}

function planted(file: string, source: string): string[] {
  return breaches(new Map([[file, source]]));
}

const layers = suite('layers');

layers('every room has sources to look at', () => {
  const found = new Set([...readSources().keys()].map(roomOf));
  assert.equal([...found].sort(), [...rooms].sort());
});

layers('no source breaks the layers', () => {
  assert.equal(breaches(readSources()), []);
});

layers('no rooms of shared import each other in a circle', () => {
  assert.equal(circles(readSources()), []);
  const tied = new Map([
    ['shared/a/x.ts', "import type { B } from '../b/index.ts';"],
    ['shared/b/index.ts', "export * from '../c/y.ts';"],
    ['shared/c/y.ts', "import { a } from '../a/x.ts';"],
    ['shared/d/z.ts', "import { a } from '../a/x.ts'; import { E } from '../errors.ts';"],
  ]);
  assert.equal(circles(tied), ['shared/a', 'shared/b', 'shared/c']);
});

layers('imports are read in every form, and only where they are code', () => {
  const source = `
    import a, { b } from './a.ts';
    import type { C } from "./c.ts";
    import './d.ts';
    export * from './e.ts';
    export {
      f,
      type G,
    } from './f.ts';
    const h = await import('./h.ts');
    const i = require('./i.cjs');
    const j = new Worker(new URL('./j.mjs', import.meta.url));
    // import k from './k.ts';
    const l = "import l from './l.ts'";
    const { from } = m; from './n.ts';
  `;
  assert.equal(
    importsOf(source).map(({ specifier }) => specifier),
    ['./a.ts', './c.ts', './e.ts', './f.ts', './d.ts', './h.ts', './i.cjs', './j.mjs'],
  );
  assert.equal(
    importsOf(source).filter(({ typeOnly }) => typeOnly),
    [{ specifier: './c.ts', typeOnly: true }],
  );
});

layers('edge and cloud never import each other', () => {
  assert.is(planted('edge/daemon/main.ts', "import { x } from '../../cloud/batcher.ts';").length, 1);
  assert.is(planted('cloud/session.ts', "export * from '../edge/agent/agent.ts';").length, 1);
  assert.is(planted('cloud/session.ts', "import type { X } from '../edge/agent/agent.ts';").length, 1);
  assert.equal(planted('cloud/session.ts', "import { x } from '../shared/exits/index.ts';"), []);
});

layers('shared imports no other room', () => {
  for (const room of ['edge', 'cloud', 'scripts', 'test']) {
    assert.is(planted('shared/codec/a.ts', `import x from '../../${room}/x.ts';`).length, 1, room);
  }
});

layers('nothing but scripts imports scripts, and nobody imports test', () => {
  assert.is(planted('edge/daemon/a.ts', "const x = await import('../../scripts/x.ts');").length, 1);
  assert.is(planted('scripts/a.ts', "import x from '../test/support/data.ts';").length, 1);
  assert.equal(planted('scripts/a.ts', "import x from './data/idx.ts'; import y from '../cloud/y.ts';"), []);
});

layers('the browser-safe core needs no Node', () => {
  assert.is(planted('shared/codec/a.ts', "import { x } from 'node:fs';").length, 1);
  assert.is(planted('shared/codec/a.ts', "import fs from 'fs/promises';").length, 1);
  for (const name of nodeOnlyPackages) {
    assert.ok(planted('edge/agent/a.ts', `import x from '${name}';`).length > 0, name);
  }
  assert.is(planted('edge/web/a.ts', "import { WebSocket } from 'ws';").length, 1);
  assert.is(planted('shared/runtime/web/a.ts', "import * as ort from 'onnxruntime-node';").length, 1);
  assert.equal(planted('shared/runtime/node/a.ts', "import { x } from 'node:fs';"), []);
  assert.equal(planted('edge/daemon/a.ts', "import { x } from 'node:fs'; import ws from 'ws';"), []);
  assert.equal(planted('shared/protocol/a.ts', "import { pack } from 'msgpackr';"), []);
});

layers('the browser-safe core does not reach Node through another file', () => {
  const sources = new Map([
    ['edge/agent/agent.ts', "import { x } from '../../shared/runtime/node/index.ts';"],
    ['shared/runtime/node/index.ts', "export * from './worker.ts';"],
    ['shared/runtime/node/worker.ts', "import { Worker } from 'node:worker_threads';"],
  ]);
  assert.equal(breaches(sources), [
    'edge/agent/agent.ts -> shared/runtime/node/index.ts -> shared/runtime/node/worker.ts -> node:worker_threads: the browser-safe core must not need Node',
  ]);
  sources.set('edge/agent/agent.ts', "import type { X } from '../../shared/runtime/node/index.ts';");
  assert.equal(breaches(sources), []);
});

layers('the page knows what edge/web gives everybody, and shared', () => {
  assert.equal(planted('edge/page/a.ts', "import { startAgent } from '../web/index.ts';"), []);
  assert.equal(planted('edge/page/a.ts', "import type { Clock } from '../../shared/clock.ts';"), []);
  assert.is(planted('edge/page/a.ts', "import { Agent } from '../agent/index.ts';").length, 1);
  assert.is(planted('edge/page/a.ts', "import { x } from '../web/hosted-agent.ts';").length, 1);
  assert.is(planted('edge/page/a.ts', "import { x } from 'node:fs';").length, 1);
});

layers('only shared/runtime knows onnxruntime, and only scripts talk to a terminal', () => {
  assert.is(planted('cloud/executor.ts', "import * as ort from 'onnxruntime-node';").length, 1);
  assert.is(planted('edge/web/main.ts', "import * as ort from 'onnxruntime-web/wasm';").length, 1);
  assert.equal(planted('shared/runtime/web/a.ts', "import * as ort from 'onnxruntime-web/wasm';"), []);
  assert.is(planted('cloud/main.ts', "import { Command } from 'commander';").length, 1);
  assert.is(planted('edge/daemon/main.ts', "import bar from 'cli-progress';").length, 1);
  assert.equal(planted('scripts/offramp.ts', "import { Command } from 'commander';"), []);
});

layers.run();
