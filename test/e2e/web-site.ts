/** A web server for the pages of a test: strict headers, built files, bundles, images; hands WebSockets on to a cloud server. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { Duplex } from 'node:stream';
import { projectFolder } from './support.ts';

export interface SiteOptions {
  /** What `scripts/build-web.mjs` has made. */
  readonly built: string;
  /** Bundles by the name of their folder on the site. */
  readonly bundles: Readonly<Record<string, string>>;
  /** Files by their path, such as `/images/mnist`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Where browsers report what the policy has stopped. */
export const violations = '/violations';

const headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "connect-src 'self' ws://127.0.0.1:*",
    `report-uri ${violations}`,
  ].join('; '),
  'x-content-type-options': 'nosniff',
};

/** What lets a page share memory between threads; its workers need the second one as well. */
const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
/** The same page without. */
const notIsolated = '/not-isolated';

const html =
  '<!doctype html><html lang="en"><title>test</title><script type="module" src="/page.mjs"></script>';

export class Site {
  readonly #server: Server;
  readonly #options: SiteOptions;
  readonly #sockets = new Set<Duplex>();
  /** Every address that was asked for, those of WebSockets too. */
  readonly urls: string[] = [];
  /** Where WebSockets are handed on to. */
  cloudPort = 0;

  private constructor(options: SiteOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#handOn(request, socket, head));
  }

  static async start(options: SiteOptions): Promise<Site> {
    const site = new Site(options);
    await new Promise<void>((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get origin(): string {
    // It listens on TCP, so this is what it gives.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '/';
    this.urls.push(url);
    const { pathname } = new URL(url, 'http://site');
    const found = this.#find(pathname);
    response.writeHead(found === undefined ? 404 : 200, {
      ...headers,
      ...(pathname === notIsolated ? {} : isolation),
      'content-type': found?.type ?? 'text/plain',
    });
    response.end(found?.bytes);
  }

  #find(path: string): { readonly type: string; readonly bytes: Uint8Array | string } | undefined {
    if (path === '/' || path === notIsolated) return { type: 'text/html; charset=utf-8', bytes: html };
    const bytes = this.#options.files.get(path);
    if (bytes !== undefined) return { type: typeOf(path), bytes };
    const file = this.#fileOf(path);
    if (file === undefined || !existsSync(file)) return undefined;
    return { type: typeOf(file), bytes: readFileSync(file) };
  }

  #fileOf(path: string): string | undefined {
    if (path === '/page.mjs') return join(projectFolder, 'test', 'e2e', 'web-page.mjs');
    const [, room = '', ...rest] = normalize(path)
      .replace(/^\/example\//, '/')
      .split('/');
    if (room === 'offramp') return join(this.#options.built, ...rest);
    const [name = '', file = ''] = rest;
    const folder = this.#options.bundles[name];
    return room === 'models' && folder !== undefined ? join(folder, file) : undefined;
  }

  #handOn(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.urls.push(request.url ?? '/');
    const cloud: Socket = connect(this.cloudPort, '127.0.0.1');
    for (const [one, other] of [
      [socket, cloud],
      [cloud, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    }
    cloud.write(`${lines.join('\r\n')}\r\n\r\n`);
    cloud.write(head);
    socket.pipe(cloud).pipe(socket);
  }
}

function typeOf(path: string): string {
  return types[extname(path)] ?? 'application/octet-stream';
}

/** Builds the scripts of pages into a folder. @throws Error with the builder's words. */
export function buildWeb(folder: string): void {
  const script = join(projectFolder, 'scripts', 'build-web.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the scripts of pages cannot be built: ${stderr}`);
}
