/** What the files under docs/deploy/ say must be true of the program: options, metrics, ports, times. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defineCloud } from '../../scripts/cli/cloud.ts';
import { defineEdge } from '../../scripts/cli/edge.ts';
import { parseYaml } from '../support/yaml.ts';
import {
  at,
  type CommandLine,
  commandLines,
  deployFiles,
  deployText,
  listAt,
  manifest,
  unitValues,
  yamlDocuments,
} from './deploy-files.ts';
import { firstCells, readPage } from './page.ts';

const page = readPage('deploying.md');
/** What an inference thread gets to end by itself, see docs/architecture.md. */
const threadEndSeconds = 10;
/** Two heartbeats of five seconds, and one more. */
const silenceSeconds = 15;

// Settings of the machine that the tests run on must not decide what they find.
for (const name of Object.keys(process.env)) {
  if (/^OFFRAMP_(?:CLOUD|EDGE)_/.test(name)) delete process.env[name];
}

/** What a command line would start with, as the program itself reads it. Paths of the machine it is for lead to the examples. */
async function settingsOf({
  place,
  args: [name, ...args],
  env,
}: CommandLine): Promise<Record<string, unknown>> {
  const command = name === 'cloud' ? defineCloud() : defineEdge();
  assert.is(command.name(), name, place);
  // Nothing is started and nothing printed; what is wrong is thrown.
  command
    .action(() => {})
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const local = args.map((arg) =>
    arg.replace('/etc/offramp/', 'docs/deploy/').replace('%d/', '/run/credentials/'),
  );
  Object.assign(process.env, env);
  try {
    await command.parseAsync(local, { from: 'user' });
    return command.opts();
  } catch (thrown) {
    throw new Error(`${place}: ${thrown}`);
  } finally {
    for (const variable of Object.keys(env)) delete process.env[variable];
  }
}

function place(named: string): CommandLine {
  const found = commandLines(page).find((line) => line.place === named);
  if (found === undefined) throw new Error(`no command line in ${named}`);
  return found;
}

function seconds(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(ms|s|m)$/.exec(text) ?? [];
  const factor = { ms: 0.001, s: 1, m: 60 }[unit];
  if (factor === undefined) throw new Error(`'${text}' is no duration`);
  return Number(number) * factor;
}

/** The only value of a directive in nginx.conf or haproxy.cfg; a unit's keys are read by unitValues. */
function directive(file: string, name: string): string {
  const found = [...deployText(file).matchAll(new RegExp(`^\\s*${name}\\s+(.*?);?$`, 'gm'))];
  if (found.length !== 1) throw new Error(`${found.length} times '${name}' in ${file}`);
  return found[0]?.[1] ?? '';
}

const Files = suite('docs/deploy, files');

Files('each is pointed to by deploying.md, and no other', () => {
  const named = [...page.matchAll(/\]\(deploy\/([\w.-]+)\)/g)].map(([, name = '']) => name);
  assert.equal([...new Set(named)].sort(), deployFiles);
});

Files('JSON and YAML can be read', () => {
  const read = deployFiles.filter((name) => /\.(?:json|ya?ml)$/.test(name));
  assert.ok(read.length > 6);
  for (const name of read) {
    if (name.endsWith('.json')) JSON.parse(deployText(name));
    else assert.ok(yamlDocuments(name).length > 0, name);
  }
});

Files('the reader of YAML refuses what it does not know', () => {
  for (const text of [
    'a: yes',
    'a: 0440',
    'a: {b: c}',
    'a: &b c',
    'a: b: c',
    'a: 1\na: 2',
    'a:\n\tb: c',
    'a: |\n  b',
  ]) {
    assert.throws(() => parseYaml(text), /line \d+/, text);
  }
  assert.equal(parseYaml('a:\n  - b: 1\n    c: [x, z]\n---\n"d": >-\n  e\n  f\n').length, 2);
});

Files.run();

const Commands = suite('docs/deploy, command lines');

Commands('parse, with options that exist and values that they take', async () => {
  const lines = commandLines(page);
  assert.ok(lines.length >= 6, `only ${lines.length} command lines were found`);
  for (const line of lines) {
    if (/^(?:cloud|edge)$/.test(line.args[0] ?? '')) await settingsOf(line);
    else assert.equal(line.args, ['--version'], line.place);
  }
});

Commands(
  'one with an option that does not exist, or a value that it does not take, would be found',
  async () => {
    const line = place('kubernetes.yaml');
    for (const more of [['--drain', '1'], ['--drain-ms', 'long'], ['more']]) {
      const error = await settingsOf({ ...line, args: [...line.args, ...more] }).catch(String);
      assert.match(String(error), 'kubernetes.yaml: CommanderError');
    }
  },
);

Commands('the drop-ins change what they are for', async () => {
  const gpu = await settingsOf(place('offramp-cloud.service with offramp-cloud-gpu.conf'));
  assert.is(gpu.device, 'cuda');
  const { tlsCert, tlsKey } = await settingsOf(place('offramp-cloud.service with offramp-cloud-tls.conf'));
  const loaded = unitValues('offramp-cloud-tls.conf', 'LoadCredential').map(
    (value) => `%d/${value.split(':')[0]}`,
  );
  assert.equal([tlsCert, tlsKey], loaded);
});

Commands('those who stop a server wait longer than it drains', async () => {
  const unit = await settingsOf(place('offramp-cloud.service'));
  const [stop = ''] = unitValues('offramp-cloud.service', 'TimeoutStopSec');
  assert.ok(seconds(stop) > Number(unit.drainMs) / 1000 + threadEndSeconds);
  const pod = await settingsOf(place('kubernetes.yaml'));
  const spec = at(manifest('Deployment'), 'spec', 'template', 'spec');
  const container = at(spec, 'containers', 0);
  const sleep = listAt(container, 'lifecycle', 'preStop', 'exec', 'command')[1];
  const grace = Number(at(spec, 'terminationGracePeriodSeconds'));
  assert.ok(grace > Number(sleep) + Number(pod.drainMs) / 1000 + threadEndSeconds);
});

Commands('ports, paths and names are the same wherever they stand', async () => {
  const { port } = await settingsOf(place('offramp-cloud.service'));
  const { cloud, port: edgePort } = await settingsOf(place('offramp-edge.service'));
  const { host, pathname } = new URL(String(cloud));
  for (const file of ['nginx.conf', 'haproxy.cfg', 'prometheus.yml']) {
    const servers = [...deployText(file).matchAll(/\b10\.0\.0\.\d+:(\d+)/g)].map(([, number]) =>
      Number(number),
    );
    assert.equal(servers, [port, port], file);
  }
  assert.match(deployText('prometheus.yml'), new RegExp(`10\\.0\\.1\\.\\d+:${edgePort}`));
  assert.is(directive('nginx.conf', 'location ='), `${pathname} {`);
  assert.match(deployText('haproxy.cfg'), `unless { path ${pathname} }`);
  assert.is(directive('nginx.conf', 'server_name'), host);
  const [rule] = listAt(manifest('Ingress'), 'spec', 'rules');
  assert.is(at(rule ?? null, 'host'), host);
  assert.is(at(rule ?? null, 'http', 'paths', 0, 'path'), pathname);
  const container = at(manifest('Deployment'), 'spec', 'template', 'spec', 'containers', 0);
  const pod = await settingsOf(place('kubernetes.yaml'));
  assert.is(at(container, 'ports', 0, 'containerPort'), pod.port);
  assert.is(at(manifest('Service'), 'spec', 'ports', 0, 'port'), pod.port);
});

Commands('proxies bear a connection that is silent between two heartbeats', () => {
  for (const name of ['proxy_read_timeout', 'proxy_send_timeout']) {
    assert.ok(seconds(directive('nginx.conf', name)) > silenceSeconds, name);
  }
  assert.ok(seconds(directive('haproxy.cfg', 'timeout tunnel')) > silenceSeconds);
});

Commands('the token file of the pod is where the secret is mounted', async () => {
  const { tokenFile } = await settingsOf(place('kubernetes.yaml'));
  const spec = at(manifest('Deployment'), 'spec', 'template', 'spec');
  const mount = at(spec, 'containers', 0, 'volumeMounts', 0);
  assert.is(tokenFile, `${at(mount, 'mountPath')}/tokens`);
  assert.is(at(spec, 'volumes', 0, 'secret', 'secretName'), 'offramp-tokens');
  assert.match(page, 'create secret generic offramp-tokens --from-file=tokens=');
});

Commands('the image holds what it starts', () => {
  const { bin, version }: { bin: { offramp: string }; version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  const entry = /^ENTRYPOINT \["(.*)"\]$/m.exec(deployText('Dockerfile'))?.[1];
  assert.is(entry, `/opt/offramp/${bin.offramp}`);
  assert.match(deployText('Dockerfile'), `COPY ${bin.offramp} ${bin.offramp}`);
  const image = at(manifest('Deployment'), 'spec', 'template', 'spec', 'containers', 0, 'image');
  assert.match(String(image), new RegExp(`:${version}$`));
});

Commands.run();

const Alerts = suite('docs/deploy, alerts');

Alerts('deploying.md says what to do about each, and about no other', () => {
  const [rules] = yamlDocuments('alerts.yml');
  const names = listAt(rules ?? null, 'groups').flatMap((group) =>
    listAt(group, 'rules').map((rule) => String(at(rule, 'alert'))),
  );
  assert.equal(firstCells(page, 'alert'), names);
});

Alerts('the autoscaler goes by the metric that the adapter makes', () => {
  const [rules] = yamlDocuments('prometheus-adapter.yaml');
  const name = at(rules ?? null, 'rules', 'custom', 0, 'name', 'as');
  const metric = at(manifest('HorizontalPodAutoscaler'), 'spec', 'metrics', 0, 'pods', 'metric', 'name');
  assert.is(metric, name);
});

Alerts.run();
