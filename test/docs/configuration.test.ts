/**
 * With `--write` it first makes the table of settings anew from the commands.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defineCloud } from '../../scripts/cli/cloud.ts';
import { defineEdge } from '../../scripts/cli/edge.ts';
import { type ConfiguredCommand, withoutSettings } from '../../scripts/config/index.ts';
import { pagePath, readPage } from './page.ts';

const offramp = fileURLToPath(new URL('../../scripts/offramp.mjs', import.meta.url));
const tableHead = '| flag | key | variable of `cloud` | variable of `edge` |\n|---|---|---|---|\n';
const cloud = defineCloud();
const edge = defineEdge();

/** The variable of a flag as commander reads it, in back-ticks. */
function variable(command: ConfiguredCommand, flag: string): string {
  const name = command.options.find(({ long }) => long === flag)?.envVar;
  return name === undefined ? '-' : `\`${name}\``;
}

/** Flags of both commands, the server's first, each once. */
const flags = [
  ...new Set(
    [...cloud.options, ...edge.options]
      .filter(({ envVar }) => envVar !== undefined)
      .map(({ long }) => long ?? ''),
  ),
];

function keyOf(flag: string): string {
  const key = [...cloud.options, ...edge.options].find(({ long }) => long === flag)?.attributeName();
  return key === 'config' ? '-' : `\`${key}\``;
}

const before = readPage('operating.md');
const tableAt = before.indexOf(tableHead) + tableHead.length;
const tableEnd = before.indexOf('\n\n', tableAt - 1);
const table = flags
  .map((flag) => `| \`${flag}\` | ${keyOf(flag)} | ${variable(cloud, flag)} | ${variable(edge, flag)} |`)
  .join('\n');
if (process.argv.includes('--write')) {
  writeFileSync(pagePath('operating.md'), before.slice(0, tableAt) + table + before.slice(tableEnd));
}
const page = readPage('operating.md');
const section = page.split(/^## /m).find((part) => part.startsWith('Configuration\n')) ?? '';
const [cloudFile = '', edgeFile = ''] = [...section.matchAll(/^```json\n(.*?)^```$/gms)].map(
  ([, text = '']) => text,
);

const folder = mkdtempSync(join(tmpdir(), 'offramp-configuration-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'cloud.json'), cloudFile);
writeFileSync(join(folder, 'edge.json'), edgeFile);

function printed(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [offramp, ...args, '--print-config'], {
    cwd: folder,
    env: { ...withoutSettings(process.env), ...env },
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  return stdout;
}

const Page = suite('docs/operating.md, configuration');

Page('has the table of flags, keys and variables that the commands give, row for row', () => {
  assert.ok(page.includes(tableHead));
  assert.ok(
    page.includes(`${tableHead}${table}\n\n`),
    'run: node --import tsx test/docs/configuration.test.ts --write',
  );
});

Page('no page and no file beside them names a variable of a setting that does not exist', () => {
  const known = new Set([...cloud.options, ...edge.options].map(({ envVar }) => envVar));
  const tokens = ['OFFRAMP_CLOUD_TOKEN', 'OFFRAMP_EDGE_TOKEN'];
  const unknown = readdirSync(pagePath(''), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) => {
      const text = readFileSync(join(parentPath, name), 'utf8');
      const named = [...text.matchAll(/\bOFFRAMP_(?:CLOUD|EDGE)_[A-Z_]*[A-Z]/g)].map(
        ([variable]) => variable,
      );
      return named.filter((variable) => !known.has(variable) && !tokens.includes(variable));
    });
  assert.equal(unknown, []);
});

Page('shows what the settings of its example really are', () => {
  const [, shown = ''] = /^```\n(setting .*?)^```$/ms.exec(section) ?? [];
  const rows = (text: string) => text.split('\n').map((line) => line.replace(/ {2,}/g, '  '));
  const real = rows(
    printed(['cloud', '--config', 'cloud.json', '--workers', '4'], { OFFRAMP_CLOUD_PORT: '8443' }),
  );
  const examples = rows(shown).filter((line) => line !== '' && !line.startsWith('-'));
  assert.ok(examples.length > 4);
  assert.equal(
    examples.filter((line) => !real.includes(line)),
    [],
  );
});

Page('has an example for the device that the device takes', () => {
  const settings = JSON.parse(printed(['edge', '--config', 'edge.json', '--json']));
  const example: Record<string, unknown> = JSON.parse(edgeFile);
  assert.ok(Object.keys(example).length > 2);
  for (const [key, value] of Object.entries(example)) {
    const taken = Array.isArray(settings[key].value) ? [value].flat() : value;
    assert.equal(settings[key], { value: taken, origin: 'file', from: 'edge.json' });
  }
});

Page.run();
