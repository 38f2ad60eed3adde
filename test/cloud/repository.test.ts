/** Bundles that come and go on a real server, over real HTTP and WebSockets. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Bundle, openBundle } from '../../shared/bundle/index.ts';
import { bundleFolder, parseTokens } from '../../shared/host/index.ts';
import { bundleTag, encodeHello, encodeInfer, parseError, parseGoaway } from '../../shared/protocol/index.ts';
import { until } from '../protocol/expect.ts';
import { drawnImage, realBundleFolder } from '../runtime/real-bundle.ts';
import {
  type Client,
  cleanUp,
  connect,
  endClients,
  greet,
  inferFrame,
  type Running,
  served,
  startServer,
  token,
} from './server-source.ts';

const repository = mkdtempSync(join(tmpdir(), 'offramp-repository-'));
const adminToken = 'the-token-of-an-operator';
const tokens = parseTokens(`${token}\noperator ${adminToken} scope admin`, 'the test');
const id = served.id;

/** Puts a bundle into the repository that differs from the served one by its digest, and in how it is broken. */
function provide(title: string, damage: (folder: string) => void = () => {}): string {
  const folder = join(repository, id);
  rmSync(folder, { recursive: true, force: true });
  cpSync(realBundleFolder, folder, { recursive: true });
  edit(folder, (manifest) => manifest.replace('"title": "', `"title": "${title} `));
  damage(folder);
  return folder;
}

function edit(folder: string, change: (manifest: string) => string): void {
  const file = join(folder, 'manifest.json');
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string;
}

async function ask(
  running: Running,
  path: string,
  { body = {}, bearer = adminToken }: { readonly body?: unknown; readonly bearer?: string } = {},
): Promise<Answer> {
  const response = await fetch(`${running.server.url}/v2/repository/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}` },
    body: JSON.stringify(body),
  });
  const json: { readonly code?: string; readonly error?: string } = await response.json();
  return { status: response.status, code: json.code, message: json.error ?? '' };
}

async function index(running: Running): Promise<string[]> {
  const response = await fetch(`${running.server.url}/v2/repository/index`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  const models: { readonly name: string; readonly state: string }[] = await response.json();
  return models.map(({ name, state }) => `${name} ${state}`);
}

async function digests(running: Running): Promise<string[]> {
  const response = await fetch(`${running.server.url}/readyz`);
  const { bundles }: { readonly bundles: { readonly digest: string }[] } = await response.json();
  return bundles.map(({ digest }) => digest);
}

/** A device that runs this version. */
async function device(running: Running, { digest, manifest }: Bundle): Promise<Client> {
  const client = await connect(running.wsUrl);
  client.socket.send(encodeHello({ agent: 'test', token, bundles: [{ id: manifest.id, digest }] }));
  await client.frame(0);
  return client;
}

function start(): Promise<Running> {
  return startServer({}, { tokens, repositoryFolder: repository });
}

const Repository = suite('bundles that come and go');

Repository.after.each(endClients);
Repository.after(async () => {
  await cleanUp();
  rmSync(repository, { recursive: true });
});

Repository('a new version stands beside the old one, and each answers its own devices', async () => {
  const running = await start();
  const old = await greet(running.wsUrl);
  const next = await openBundle(bundleFolder(provide('Next')));
  assert.equal(await ask(running, `models/${id}/load`), { status: 200, code: undefined, message: '' });
  assert.equal(await digests(running), [served.digest, next.digest]);
  const fresh = await device(running, next);
  assert.is((await fresh.frame(0)).type, 'welcome');
  old.socket.send(inferFrame(1));
  const { digest } = next;
  fresh.socket.send(
    encodeInfer({ id: 1, bundleTag: bundleTag(digest), cut: 0, budgetMs: 30_000, rows: [drawnImage(1)] }),
  );
  const [one, other] = [await old.frame(1), await fresh.frame(1)];
  assert.equal([one.type, other.type], ['result', 'result']);
  assert.equal([...one.payload], [...other.payload]);
  // Asked for again it changes nothing.
  assert.is((await ask(running, `models/${id}/load`)).status, 200);
  assert.is((await digests(running)).length, 2);
  assert.is(await running.metric('offramp_cloud_repository_changes_total{verb="load",outcome="done"}'), 2);
  await running.stop();
});

Repository(
  'what is taken off answers what it has taken in, sends its devices on, and takes no more',
  async () => {
    const running = await start();
    const next = await openBundle(bundleFolder(provide('After')));
    await ask(running, `models/${id}/load`);
    const [old, fresh] = [await greet(running.wsUrl), await device(running, next)];
    for (let request = 1; request <= 20; request++) old.socket.send(inferFrame(request, 8));
    await until(() => old.frames.length > 1);
    const { status } = await ask(running, `models/${id}/unload`, {
      body: { parameters: { digest: served.digest.slice(0, 12) } },
    });
    assert.is(status, 200);
    await until(() => old.frames.length === 22);
    const types = old.frames.map(({ type }) => type);
    assert.is(types.filter((type) => type === 'result').length, 20);
    const goaway = old.frames.find(({ type }) => type === 'goaway');
    assert.is(parseGoaway(goaway?.header).reason, 'bundle unloaded');
    old.socket.send(inferFrame(99));
    const refused = await old.frame(22);
    assert.is(parseError(refused).code, 'BUNDLE_NOT_FOUND');
    assert.is(fresh.frames.length, 1, 'a device of the other version was sent on');
    assert.equal(await digests(running), [next.digest]);
    const again = await connect(running.wsUrl);
    again.socket.send(encodeHello({ agent: 'test', token, bundles: [{ id, digest: served.digest }] }));
    assert.is(await again.closed, 4409);
    await running.stop();
  },
);

for (const [what, damage, code] of [
  ['a graph that is none', (folder) => spoil(folder, 's1.onnx'), 'BUNDLE_FILE_CORRUPT'],
  ['a manifest that is none', (folder) => edit(folder, () => '{'), 'BUNDLE_MANIFEST_INVALID'],
  [
    'another id',
    (folder) => edit(folder, (text) => text.replace(`"id": "${id}"`, '"id": "other"')),
    'CONFIG_INVALID',
  ],
  ['a segment missing', (folder) => rmSync(join(folder, 's0.onnx')), 'BUNDLE_FILE_MISSING'],
] as const satisfies readonly (readonly [string, (folder: string) => void, string])[]) {
  Repository(`${what} changes nothing: the version that was there goes on`, async () => {
    const running = await start();
    const old = await greet(running.wsUrl);
    provide('Broken', damage);
    const refused = await ask(running, `models/${id}/load`);
    assert.equal([refused.status, refused.code], [500, code], refused.message);
    assert.equal(await digests(running), [served.digest]);
    old.socket.send(inferFrame(1));
    assert.is((await old.frame(1)).type, 'result');
    assert.is(
      await running.metric('offramp_cloud_repository_changes_total{verb="load",outcome="failed"}'),
      1,
    );
    // What failed leaves nothing behind that would be in its own way.
    provide('Mended');
    assert.is((await ask(running, `models/${id}/load`)).status, 200);
    await running.stop();
  });
}

Repository('the last bundle stays', async () => {
  const running = await start();
  const { code, message } = await ask(running, `models/${id}/unload`);
  assert.equal([code, message.includes('stop the server')], ['CONFIG_INVALID', true]);
  assert.is((await ask(running, 'models/nope/unload')).code, 'BUNDLE_NOT_FOUND');
  await running.stop();
});

Repository('no name leads out of the repository', async () => {
  const running = await start();
  mkdirSync(join(repository, 'inside'), { recursive: true });
  for (const name of [
    '..%2fmodels',
    '%2e%2e%2f%2e%2e%2fetc',
    '%2e%2e%00',
    'inside%2f..%2finside',
    '__proto__',
  ]) {
    const { status } = await ask(running, `models/${name}/load`);
    assert.ok(status === 404, `${name}: ${status}`);
  }
  rmSync(join(repository, 'inside'), { recursive: true });
  await running.stop();
});

Repository('the index names what could be loaded', async () => {
  const running = await start();
  cpSync(realBundleFolder, join(repository, 'another'), { recursive: true });
  assert.equal(await index(running), [
    `${id} READY`,
    `${id}-s0 READY`,
    `${id}-s1 READY`,
    'another UNAVAILABLE',
  ]);
  rmSync(join(repository, 'another'), { recursive: true });
  await running.stop();
});

Repository('only a token with the scope admin may change what is served', async () => {
  const running = await start();
  const refused = await ask(running, `models/${id}/load`, { bearer: token });
  assert.equal([refused.status, refused.code], [403, 'FORBIDDEN']);
  assert.is((await ask(running, `models/${id}/load`, { bearer: 'nobody-has-this-token' })).status, 401);
  await running.stop();
});

Repository('without a repository nothing changes', async () => {
  const running = await startServer({}, { tokens });
  const refused = await ask(running, `models/${id}/load`);
  assert.equal([refused.status, refused.code], [501, 'NOT_SUPPORTED']);
  assert.ok(refused.message.includes('--repository'), refused.message);
  await running.stop();
});

Repository(
  'what a request says besides is checked, or passed over where a client sends it by habit',
  async () => {
    const running = await start();
    provide('Habit');
    const load = (parameters: unknown) => ask(running, `models/${id}/load`, { body: { parameters } });
    assert.is((await load({ config: '{}' })).code, 'NOT_SUPPORTED');
    assert.is((await load({ 'file:1/model.onnx': 'aaaa' })).code, 'NOT_SUPPORTED');
    const unload = (digest: string) =>
      ask(running, `models/${id}/unload`, { body: { parameters: { digest, unload_dependents: false } } });
    assert.is((await unload('XYZ')).code, 'INFERENCE_INVALID');
    assert.is((await unload('0123456789abcdef')).code, 'BUNDLE_NOT_FOUND');
    await running.stop();
  },
);

Repository('many loads at once end with one of each version', async () => {
  const running = await start();
  const next = await openBundle(bundleFolder(provide('Crowd')));
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(running, `models/${id}/load`)));
  assert.ok(answers.some(({ status }) => status === 200));
  for (const { status, code } of answers) assert.ok(status === 200 || code === 'CONFIG_INVALID', code);
  assert.equal(await digests(running), [served.digest, next.digest]);
  await running.stop();
});

Repository.run();

/** The manifest's digest of the file is made right again, so that only the graph is wrong. */
function spoil(folder: string, file: string): void {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  writeFileSync(join(folder, file), bytes);
  const hash = createHash('sha256').update(bytes).digest('hex');
  edit(folder, (text) => {
    const manifest: { segments: { file: string; sha256: string; bytes: number }[] } = JSON.parse(text);
    for (const segment of manifest.segments) {
      if (segment.file === file) Object.assign(segment, { sha256: hash, bytes: bytes.length });
    }
    return JSON.stringify(manifest);
  });
}
