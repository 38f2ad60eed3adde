import type { FastifyBaseLogger } from 'fastify';
import { OfframpError } from '../shared/errors.ts';
import { FileWatch, readTokenFile, type TokenEntry, type TokenSource } from '../shared/host/index.ts';
import { readTls, type TlsFiles, type TlsMaterial, tlsFileNames } from './tls.ts';

/** Who goes on with what was read anew. */
export interface SecretsUser {
  /** Returns how many connections had to end. */
  replaceTokens(tokens: readonly TokenEntry[]): number;
  replaceTls(tls: TlsMaterial): void;
  onReload(what: Secret, outcome: 'done' | 'failed'): void;
}

export type Secret = 'tokens' | 'tls';

export interface SecretsOptions {
  readonly tokens: TokenSource;
  readonly tls: TlsFiles | undefined;
  readonly logger: FastifyBaseLogger;
}

/** How often the files are looked at. */
const lookEveryMs = 2000;

/**
 * Tokens and certificates in files: read at the start, and again on SIGHUP and whenever they change. Files that are no good
 * leave those in use that were read before.
 */
export class Secrets {
  readonly tokens: readonly TokenEntry[];
  readonly tls: TlsMaterial | undefined;
  readonly #options: SecretsOptions;
  readonly #watches: ReadonlyMap<Secret, FileWatch>;
  readonly #onHangup = () => {
    for (const watch of this.#watches.values()) void watch.force();
  };

  private constructor(options: SecretsOptions, watches: ReadonlyMap<Secret, FileWatch>) {
    const { tokens, tls } = options;
    this.#options = options;
    this.#watches = watches;
    this.tokens = 'file' in tokens ? readTokenFile(tokens.file) : tokens.entries;
    this.tls = tls === undefined ? undefined : readTls(tls, Date.now());
  }

  /** @throws OfframpError CONFIG_INVALID, see {@link readTokenFile} and {@link readTls}. */
  static async read(options: SecretsOptions): Promise<Secrets> {
    const { tokens, tls } = options;
    const watches = new Map<Secret, FileWatch>();
    if ('file' in tokens) watches.set('tokens', await FileWatch.of([tokens.file]));
    if (tls !== undefined) watches.set('tls', await FileWatch.of(tlsFileNames(tls)));
    return new Secrets(options, watches);
  }

  /** Hands on what changes from now on, until `stop`. */
  watch(user: SecretsUser): void {
    this.#watches
      .get('tokens')
      ?.start(lookEveryMs, () => this.#attempt('tokens', user, () => this.#renewTokens(user)));
    this.#watches
      .get('tls')
      ?.start(lookEveryMs, () => this.#attempt('tls', user, () => this.#renewTls(user)));
    // Without a handler the signal ends the process, which is right when a terminal closes and there is nothing to read.
    if (this.#watches.size > 0) process.on('SIGHUP', this.#onHangup);
  }

  stop(): void {
    process.off('SIGHUP', this.#onHangup);
    for (const watch of this.#watches.values()) watch.stop();
  }

  #attempt(what: Secret, user: SecretsUser, renew: () => void): void {
    try {
      renew();
      user.onReload(what, 'done');
    } catch (thrown) {
      const { code, message } = OfframpError.from(thrown);
      user.onReload(what, 'failed');
      this.#options.logger.error({ code }, `${message}; what was read before stays in use`);
    }
  }

  #renewTokens(user: SecretsUser): void {
    const { tokens: source, logger } = this.#options;
    if (!('file' in source)) return;
    const tokens = readTokenFile(source.file);
    const closed = user.replaceTokens(tokens);
    logger.info({ tokens: tokens.length, closed }, 'tokens read anew');
  }

  #renewTls(user: SecretsUser): void {
    const { tls: files, logger } = this.#options;
    if (files === undefined) return;
    const tls = readTls(files, Date.now());
    user.replaceTls(tls);
    logger.info({ expires: new Date(tls.expiresAtMs).toISOString() }, 'certificate read anew');
  }
}
