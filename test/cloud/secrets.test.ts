/** Tokens and certificates that change in their files while the server runs. */
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TlsFiles } from '../../cloud/index.ts';
import { Secrets } from '../../cloud/secrets.ts';
import type { TokenSource } from '../../shared/host/index.ts';
import { rejectsCode, until } from '../protocol/expect.ts';
import { haveOpenssl, makeAuthority, makeCertificate, noOpenssl } from '../support/certificates.ts';
import { skip } from '../support/data.ts';

const first = 'first-token-of-16';
const second = 'second-token-of-some-length';
const folder = mkdtempSync(join(tmpdir(), 'offramp-secrets-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'tokens.txt');

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly code?: string;
  readonly tokens?: number;
  readonly closed?: number;
}

/** Secrets at work, with what was handed on and what was logged. */
interface Working {
  readonly secrets: Secrets;
  /** Names of the tokens, or `tls`, for every time that something was handed on. */
  readonly handed: string[];
  readonly reloads: string[];
  readonly lines: Line[];
}

const working = new Set<Secrets>();

async function watch(tokens: TokenSource, tls?: TlsFiles): Promise<Working> {
  const [handed, reloads, lines]: [string[], string[], Line[]] = [[], [], []];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const secrets = await Secrets.read({ tokens, tls, logger });
  secrets.watch({
    replaceTokens: (entries) => {
      handed.push(entries.map(({ name }) => name).join());
      return 3;
    },
    replaceTls: () => handed.push('tls'),
    onReload: (what, outcome) => reloads.push(`${what} ${outcome}`),
  });
  working.add(secrets);
  return { secrets, handed, reloads, lines };
}

const Reading = suite('secrets in files');
Reading.after.each(() => {
  for (const secrets of working) secrets.stop();
  working.clear();
});

Reading('tokens are read at the start, and again by themselves when the file changes', async () => {
  writeFileSync(file, `site-a ${first}\n`);
  const { secrets, handed, reloads, lines } = await watch({ file });
  assert.equal(
    secrets.tokens.map(({ name }) => name),
    ['site-a'],
  );
  writeFileSync(`${file}.new`, `site-a ${first}\nsite-b ${second}\n`);
  renameSync(`${file}.new`, file);
  await until(() => reloads.length > 0, 15_000);
  assert.equal([handed, reloads], [['site-a,site-b'], ['tokens done']]);
  assert.equal(
    [lines[0]?.level, lines[0]?.msg, lines[0]?.tokens, lines[0]?.closed],
    [30, 'tokens read anew', 2, 3],
  );
});

Reading('SIGHUP reads them at once, changed or not', async () => {
  writeFileSync(file, `site-a ${first}\n`);
  const { handed } = await watch({ file });
  process.kill(process.pid, 'SIGHUP');
  await until(() => handed.length > 0);
  assert.equal(handed, ['site-a']);
});

Reading('a file that is no good leaves the old tokens in use, and says so by its code and line', async () => {
  writeFileSync(file, `site-a ${first}\n`);
  const { handed, reloads, lines } = await watch({ file });
  for (const [index, text] of [`${first}\nshort\n`, '# nothing\n', ''].entries()) {
    writeFileSync(file, text);
    process.kill(process.pid, 'SIGHUP');
    await until(() => reloads.length > index);
  }
  rmSync(file);
  process.kill(process.pid, 'SIGHUP');
  await until(() => reloads.length === 4);
  assert.equal(handed, []);
  assert.equal(reloads, new Array(4).fill('tokens failed'));
  assert.equal(
    lines.map(({ level, code }) => [level, code]),
    new Array(4).fill([50, 'CONFIG_INVALID']),
  );
  assert.match(lines[0]?.msg ?? '', /^Line 2 of .*; what was read before stays in use$/);
  assert.not(JSON.stringify(lines).includes('short'), 'what the file holds is logged');
  writeFileSync(file, second);
  process.kill(process.pid, 'SIGHUP');
  await until(() => handed.length > 0);
  assert.equal(handed, ['token-1']);
});

Reading('a process that has no such file keeps dying of a closed terminal', async () => {
  const before = process.listenerCount('SIGHUP');
  const { secrets } = await watch({ entries: [] });
  assert.is(process.listenerCount('SIGHUP'), before);
  assert.equal(secrets.tokens, []);
});

Reading('after the end nothing is read any more', async () => {
  writeFileSync(file, first);
  const before = process.listenerCount('SIGHUP');
  const { secrets } = await watch({ file });
  assert.is(process.listenerCount('SIGHUP'), before + 1);
  secrets.stop();
  assert.is(process.listenerCount('SIGHUP'), before);
});

Reading('a token file that is no good stops the start', async () => {
  writeFileSync(file, 'short');
  await rejectsCode(watch({ file }), 'CONFIG_INVALID', 'Line 1');
  await rejectsCode(watch({ file: join(folder, 'nowhere') }), 'CONFIG_INVALID', 'nowhere');
});

Reading('a certificate is taken once its key has come too', async () => {
  if (!haveOpenssl) return skip(noOpenssl);
  const authority = makeAuthority(folder, 'authority');
  const [old, renewed] = ['old', 'renewed'].map((name) =>
    makeCertificate(folder, name, authority, { commonName: 'gpu.example' }),
  );
  if (old === undefined || renewed === undefined) throw new Error('no certificates');
  const served = { certFile: join(folder, 'served.pem'), keyFile: join(folder, 'served.key') };
  copyFileSync(old.cert, served.certFile);
  copyFileSync(old.key, served.keyFile);
  const { secrets, handed, reloads, lines } = await watch({ entries: [] }, served);
  assert.ok((secrets.tls?.expiresAtMs ?? 0) > Date.now());
  copyFileSync(renewed.cert, served.certFile);
  process.kill(process.pid, 'SIGHUP');
  await until(() => reloads.length === 1);
  assert.equal([handed, reloads], [[], ['tls failed']]);
  assert.match(lines[0]?.msg ?? '', /its key.*; what was read before stays in use$/);
  copyFileSync(renewed.key, served.keyFile);
  await until(() => handed.length === 1, 15_000);
  assert.equal([handed, reloads.at(-1)], [['tls'], 'tls done']);
});

Reading.run();
