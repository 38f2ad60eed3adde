import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CloudMetrics } from '../../cloud/index.ts';
import { EdgeMetrics } from '../../edge/daemon/metrics.ts';
import { codeSpans, firstCells, readPage } from './page.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readPage('operating.md');
const spans = codeSpans(page);

function help(...args: readonly string[]): string {
  const offramp = join(root, 'scripts', 'offramp.mjs');
  const { stdout, stderr, status } = spawnSync(process.execPath, [offramp, ...args, '--help'], {
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  return stdout;
}

/** What the first words of the lines under a heading of the help are. */
function listed(text: string, heading: string, word: RegExp): string[] {
  const part = text.slice(text.indexOf(`\n${heading}:\n`)).split('\n\n')[0] ?? '';
  return [...part.matchAll(word)].map(([, name = '']) => name);
}

const commands = listed(help(), 'Commands', /^ {2}([a-z][a-z0-9]*) /gm).filter((name) => name !== 'help');

/** The page's section on one command. */
function sectionOf(command: string): string {
  return page.split(/^#{2,3} /m).find((section) => section.startsWith(`\`offramp ${command}\`\n`)) ?? '';
}

const Options = suite('docs/operating.md, commands');

Options('has a section for every command, and for no other', () => {
  const sections = [...page.matchAll(/^### `offramp ([a-z]+)`$/gm)].map(([, command]) => command);
  assert.ok(commands.length > 3);
  assert.equal(sections.sort(), [...commands].sort());
});

/** Options of a command and of those under it, each once. */
function optionsOf(...command: readonly string[]): string[] {
  const text = help(...command);
  const own = listed(text, 'Options', /^ {2}(?:-\w, )?(--[a-z][a-z0-9-]*)/gm);
  const under = listed(text, 'Commands', /^ {2}([a-z][a-z0-9]*) /gm).filter((name) => name !== 'help');
  return [...new Set([...own, ...under.flatMap((name) => optionsOf(...command, name))])];
}

for (const command of commands) {
  Options(`has every option of offramp ${command}, and no other`, () => {
    const expected = optionsOf(command)
      .filter((option) => option !== '--help')
      .sort();
    assert.equal(firstCells(sectionOf(command), 'option').sort(), expected);
  });
}

Options('names every environment variable that the code reads', () => {
  const variables = new Set<string>();
  for (const room of ['shared', 'edge', 'cloud', 'scripts']) {
    for (const entry of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (!entry.endsWith('.ts')) continue;
      const source = readFileSync(join(root, room, entry), 'utf8');
      for (const [, name = ''] of source.matchAll(/(?:process\.env\.|')((?:OFFRAMP|ORT)_[A-Z_]+)/g)) {
        variables.add(name);
      }
    }
  }
  assert.ok(variables.size >= 3);
  assert.equal(firstCells(page, 'variable').sort(), [...variables].sort());
});

Options.run();

const Metrics = suite('docs/operating.md, metrics');

const cloud = new CloudMetrics('cpu', {
  load: () => ({ queuedRows: 0, runningRows: 0 }),
  undecodedRows: () => 0,
  connections: () => 0,
  alarmedDevices: () => ({}),
  clientConnections: () => new Map(),
  tlsExpiresAtMs: () => undefined,
});
const edge = new EdgeMetrics({
  connected: () => false,
  inFlight: () => 0,
  hedges: () => 0,
  lateAnswers: () => 0,
});

Metrics('names every metric that the server and the daemon expose', () => {
  for (const { registry } of [cloud, edge]) {
    const names = registry.getMetricsAsArray().map(({ name }) => name);
    assert.ok(names.length > 30);
    assert.equal(
      names.filter((name) => !spans.has(name)),
      [],
    );
  }
});

Metrics('names no metric of ours that is not exposed', () => {
  const exposed = [cloud, edge].flatMap(({ registry }) =>
    registry.getMetricsAsArray().map(({ name }) => name),
  );
  const named = [...page.matchAll(/\bofframp_(?:cloud|edge)_[a-z_]+/g)].map(([name]) =>
    name.replace(/_bucket$/, ''),
  );
  assert.equal(
    named.filter((name) => !exposed.includes(name)),
    [],
  );
});

Metrics.run();
