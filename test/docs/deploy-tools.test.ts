/** The tools that the files under docs/deploy/ are for have nothing against them; each where it is there. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../e2e/images.ts';
import {
  certificateWithKey,
  filledExample,
  findProgram,
  selfSigned,
  writeNginxFolder,
} from '../e2e/proxy.ts';
import { cleanUp } from '../e2e/support.ts';
import { skip } from '../support/data.ts';
import { expressions } from './deploy-expressions.ts';
import { deployFiles, deployFolder, deployText, yamlDocuments } from './deploy-files.ts';

/** The program, or `undefined` after it has been said that the test is skipped. */
function needed(...names: readonly string[]): string | undefined {
  const missing = names.find((name) => findProgram(name) === undefined);
  if (missing === undefined) return findProgram(names[0] ?? '');
  skip(`no ${missing} on this machine`);
  return undefined;
}

/** Runs a program to its end; gives everything it said. @throws Error unless it ends with 0. */
function run(program: string, args: readonly string[], cwd = deployFolder): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', cwd });
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${status} ${error?.message ?? ''}\n${stdout}${stderr}`);
  return stdout + stderr;
}

const Tools = suite('docs/deploy, tools');
Tools.after(cleanUp);

Tools('nginx takes nginx.conf', () => {
  const nginx = needed('nginx', 'openssl');
  if (nginx === undefined) return;
  const folder = temporaryFolder();
  const { certificate, key } = selfSigned(folder);
  const site = filledExample('nginx.conf', {
    '/etc/ssl/gpu.example.pem': certificate,
    '/etc/ssl/gpu.example.key': key,
  });
  const config = writeNginxFolder(folder, site);
  assert.match(run(nginx, ['-t', '-p', folder, '-e', 'stderr', '-c', config]), 'test is successful');
});

Tools('haproxy takes haproxy.cfg', () => {
  const haproxy = needed('haproxy', 'openssl');
  if (haproxy === undefined) return;
  const folder = temporaryFolder();
  const both = certificateWithKey(folder, selfSigned(folder));
  const config = join(folder, 'haproxy.cfg');
  writeFileSync(config, filledExample('haproxy.cfg', { '/etc/haproxy/gpu.example.pem': both }));
  assert.not.match(run(haproxy, ['-c', '-f', config]), /\[(?:WARNING|ALERT)\]/);
});

Tools('systemd takes the units, alone and with their drop-ins', () => {
  const analyze = needed('systemd-analyze');
  if (analyze === undefined) return;
  const [, version = '0'] = /^systemd (\d+)/.exec(run(analyze, ['--version'])) ?? [];
  if (Number(version) < 250) return skip(`systemd ${version}, the units need 250`);
  for (const withDropIns of ['without', 'with'] as const) {
    const folder = temporaryFolder();
    const units = copyUnits(folder, withDropIns);
    const said = run(analyze, ['verify', ...units]);
    assert.is(said, '', `${withDropIns} drop-ins`);
  }
});

/** Copies the units and gives them a program that is there. */
function copyUnits(folder: string, dropIns: 'with' | 'without'): string[] {
  const program = join(folder, 'offramp');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  const names = deployFiles.filter((name) => name.endsWith('.service'));
  for (const name of names) {
    const filled = filledExample(name, { '/opt/offramp/scripts/offramp.mjs': program });
    writeFileSync(join(folder, name), filled);
    const own = deployFiles.filter((file) => file.startsWith(`${name.replace('.service', '')}-`));
    if (dropIns === 'without') continue;
    mkdirSync(join(folder, `${name}.d`));
    for (const file of own) copyFileSync(join(deployFolder, file), join(folder, `${name}.d`, file));
  }
  return names.map((name) => join(folder, name));
}

Tools('promtool takes the alerts, the scrape configuration and every expression', () => {
  const promtool = needed('promtool');
  if (promtool === undefined) return;
  run(promtool, ['check', 'config', join(deployFolder, 'prometheus.yml')]);
  const rules = expressions()
    .map(({ text }) => text.replace(/\$(?:cloud|edge)\b/g, 'a'))
    .map((expr, index) => ({ record: `expression_${index}`, expr }));
  const file = join(temporaryFolder(), 'rules.json');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'all', rules }] }));
  assert.match(run(promtool, ['check', 'rules', file]), `${rules.length} rules found`);
});

Tools('kubectl finds six objects in kubernetes.yaml', () => {
  const kubectl = needed('kubectl');
  if (kubectl === undefined) return;
  const folder = temporaryFolder();
  copyFileSync(join(deployFolder, 'kubernetes.yaml'), join(folder, 'kubernetes.yaml'));
  writeFileSync(join(folder, 'kustomization.yaml'), 'resources:\n  - kubernetes.yaml\n');
  const objects = run(kubectl, ['kustomize', folder]).match(/^kind: /gm) ?? [];
  assert.is(objects.length, 6);
});

Tools('a YAML parser of others reads the YAML as our tests do', () => {
  const python = needed('python3');
  if (python === undefined) return;
  if (spawnSync(python, ['-c', 'import yaml']).status !== 0) return skip('no PyYAML on this machine');
  const program = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))';
  for (const name of deployFiles.filter((file) => /\.ya?ml$/.test(file))) {
    const { stdout, stderr } = spawnSync(python, ['-c', program], {
      input: deployText(name),
      encoding: 'utf8',
    });
    assert.is(stderr, '', name);
    assert.equal(JSON.parse(stdout), yamlDocuments(name), name);
  }
});

Tools.run();
