/** Starts real proxies on the example files of docs/deploy/, and leaves none behind. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { delimiter, join } from 'node:path';
import { descendants, isRunning, projectFolder, waitUntil } from './support.ts';

const alive = new Set<ChildProcess>();

/** A certificate and its key, in PEM files. */
export interface Pems {
  readonly certificate: string;
  readonly key: string;
}

/** What an example is filled with. */
export interface ProxySite extends Pems {
  /** A temporary one, for whatever the proxy writes. */
  readonly folder: string;
  /** Where the proxy is to listen. */
  readonly port: number;
  /** Ports of the servers behind it. */
  readonly servers: readonly [number, number];
}

/** The full path of a program; looks where only root's PATH leads, too. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** An example of docs/deploy/ with every `from` replaced by its `to`. @throws Error when one is not in the file. */
export function filledExample(name: string, changes: Readonly<Record<string, string>>): string {
  let text = readFileSync(join(projectFolder, 'docs', 'deploy', name), 'utf8');
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`docs/deploy/${name} does not say '${from}' any more`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** A key and a certificate of its own for 127.0.0.1, good for a day. @throws Error when openssl fails. */
export function selfSigned(folder: string): Pems {
  const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
  const { status, stderr, error } = spawnSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '1',
      ],
      ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', files.key, '-out', files.certificate],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`openssl made no certificate: ${error?.message ?? stderr}`);
  return files;
}

/** Both in one file, as HAProxy wants them. */
export function certificateWithKey(folder: string, { certificate, key }: Pems): string {
  const both = join(folder, 'both.pem');
  writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 });
  return both;
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** The folder's nginx.conf around a file as it would lie in conf.d: what the example leaves to the system's own. */
export function writeNginxFolder(folder: string, site: string): string {
  for (const name of ['logs', 'temp']) mkdirSync(join(folder, name), { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const lines = [
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'worker_processes 2;',
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/logs/error.log warn;`,
    'events { worker_connections 1024; }',
    'http {',
    `  access_log ${folder}/logs/access.log;`,
    ...temporary.map((name) => `  ${name}_temp_path ${folder}/temp/${name};`),
    `  include ${folder}/site.conf;`,
    '}',
  ];
  const file = join(folder, 'nginx.conf');
  writeFileSync(join(folder, 'site.conf'), site);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** Starts nginx and waits until it takes connections on the port. */
export function startNginx(program: string, folder: string, site: string, port: number): Promise<void> {
  const config = writeNginxFolder(folder, site);
  return start(program, ['-p', folder, '-e', 'stderr', '-c', config, '-g', 'daemon off;'], port);
}

/** Starts HAProxy and waits until it takes connections on the port. */
export function startHaproxy(program: string, folder: string, config: string, port: number): Promise<void> {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, config);
  return start(program, ['-db', '-f', file], port);
}

async function start(program: string, args: readonly string[], port: number): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  alive.add(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.once('close', () => alive.delete(child));
  const ready = async () => {
    if (!alive.has(child)) throw new Error(`${program} ended: ${said}`);
    return takesConnections(port);
  };
  await waitUntil(ready, `${program} to listen`);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(port, '127.0.0.1');
    const settle = (taken: boolean) => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

/** Ends every proxy with its workers, and waits until they are gone. Use it after each test. */
export async function endProxies(): Promise<void> {
  const processes = endNow();
  await waitUntil(() => !processes.some(isRunning), 'the proxies to end');
}

/** A killed master would leave its workers, and one that is killed after them starts others in their place. */
function endNow(): number[] {
  const processes = [...alive].flatMap(({ pid = 0 }) => [pid, ...descendants(pid)]);
  for (const pid of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
  return processes;
}

process.on('exit', endNow);
