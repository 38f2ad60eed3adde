import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { type Admission, httpAdmission, listenError, type TokenEntry } from '../../shared/host/index.ts';

/** Where the daemon's HTTP API is to be found: an address, or a Unix socket in its place. */
export interface ListeningPlace {
  readonly host: string;
  readonly port: number;
  /** A file. Where it is given, host and port are not looked at. */
  readonly socket?: string | undefined;
}

/** `sun_path` of macOS without its end; a longer path would be cut off without a word. */
const maxSocketPathBytes = 103;
const ownerOnly = 0o177;

/** Without tokens a socket lets in whom its file's mode lets in; an address, this machine's own programs. */
export function admissionOf(tokens: readonly TokenEntry[], { host, socket }: ListeningPlace): Admission {
  return socket !== undefined && tokens.length === 0 ? () => undefined : httpAdmission(tokens, host);
}

/**
 * @returns the address, `http://host:port` or `unix:/file`.
 * @throws OfframpError CONFIG_INVALID, PORT_IN_USE.
 */
export async function listen(app: FastifyInstance, { host, port, socket }: ListeningPlace): Promise<string> {
  if (socket !== undefined) return listenOnSocket(app, resolve(socket));
  try {
    return await app.listen({ host, port });
  } catch (thrown) {
    throw listenError(thrown, host, port);
  }
}

async function listenOnSocket(app: FastifyInstance, file: string): Promise<string> {
  const bytes = Buffer.byteLength(file);
  if (bytes > maxSocketPathBytes) {
    throw invalid(
      `The path of the socket ${file} has ${bytes} bytes, expected at most ${maxSocketPathBytes}`,
    );
  }
  await removeStale(file);
  // By the mask, and not by a chmod: nobody else may connect in between.
  const before = process.umask(ownerOnly);
  try {
    await app.listen({ path: file });
    return `unix:${file}`;
  } catch (thrown) {
    if (codeOf(thrown) === 'EADDRINUSE') throw taken(file);
    throw invalid(`Cannot listen on the socket ${file}: ${reasonOf(thrown)}`);
  } finally {
    process.umask(before);
  }
}

/** A process that was killed leaves its file behind. */
async function removeStale(file: string): Promise<void> {
  const found = await lstat(file).catch((thrown: unknown) => {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw invalid(`Cannot listen on the socket ${file}: ${reasonOf(thrown)}`);
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw invalid(`${file} is there and is no socket, expected none or a socket`);
  if (await isListenedOn(file)) throw taken(file);
  await unlink(file).catch((thrown: unknown) => {
    if (codeOf(thrown) !== 'ENOENT') throw invalid(`Cannot replace the socket ${file}: ${reasonOf(thrown)}`);
  });
}

/** Anything but a refusal, such as a full queue or no right to connect, comes from one that somebody has. */
function isListenedOn(file: string): Promise<boolean> {
  return new Promise((done) => {
    const peer = connect(file, () => {
      peer.destroy();
      done(true);
    });
    peer.once('error', (error) => done(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error))));
  });
}

function taken(file: string): OfframpError {
  return new OfframpError('PORT_IN_USE', `Another process listens on ${file}; choose another with --socket`);
}

function invalid(message: string): OfframpError {
  return new OfframpError('CONFIG_INVALID', message);
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}
