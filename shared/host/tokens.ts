import { createHash, timingSafeEqual } from 'node:crypto';
import { OfframpError } from '../errors.ts';
import type { Scope, TokenEntry } from './token-lines.ts';

/** What is kept of a token: not the token. */
export interface KnownToken extends Omit<TokenEntry, 'token'> {
  /** Hex SHA-256 of the token: the same after the file was read again. */
  readonly id: string;
}

interface Row {
  readonly hash: Buffer;
  readonly known: KnownToken;
}

/** The tokens of a server, as hashes. */
export class TokenTable {
  readonly #rows: readonly Row[];

  constructor(entries: readonly TokenEntry[]) {
    this.#rows = entries.map(({ token, ...entry }) => {
      const digest = hash(token);
      return { hash: digest, known: { ...entry, id: digest.toString('hex') } };
    });
  }

  get tokens(): readonly KnownToken[] {
    return this.#rows.map(({ known }) => known);
  }

  /** Compares hashes of equal length and looks at every token, so that the time it takes tells nothing about them. */
  find(token: string | undefined): KnownToken | undefined {
    if (token === undefined) return undefined;
    const given = hash(token);
    let found: KnownToken | undefined;
    for (const row of this.#rows) if (timingSafeEqual(row.hash, given)) found = row.known;
    return found;
  }

  /**
   * The token that was given, if it is known, holds at `epochMs` (milliseconds since 1970) and has the scope.
   * @throws OfframpError UNAUTHORIZED, FORBIDDEN. The words begin with what carried it, such as `The hello`.
   */
  identify(token: string | undefined, scope: Scope, epochMs: number, carrier: string): KnownToken {
    const known = this.find(token);
    if (known === undefined) {
      const got = token === undefined ? 'no token' : 'a token that is not known';
      throw new OfframpError(
        'UNAUTHORIZED',
        `${carrier} carries ${got}; this server asks for one of its tokens`,
      );
    }
    const refusal = tokenRefusal(known, scope, epochMs);
    if (refusal !== undefined) throw refusal;
    return known;
  }
}

/** Why a token that is known may not be used for `scope` at `epochMs`: UNAUTHORIZED, FORBIDDEN; or `undefined`. */
export function tokenRefusal(
  known: Pick<KnownToken, 'name' | 'scopes' | 'expiresAtMs'>,
  scope: Scope,
  epochMs: number,
): OfframpError | undefined {
  const { name, expiresAtMs = Number.POSITIVE_INFINITY, scopes } = known;
  if (epochMs >= expiresAtMs) return new OfframpError('UNAUTHORIZED', `The token '${name}' has expired`);
  const sufficient: readonly Scope[] = scope === 'read' ? ['read', 'admin'] : [scope];
  if (sufficient.some((one) => scopes.includes(one))) return undefined;
  const message = `The token '${name}' is for ${scopes.join(', ')}, this asks for ${scope}`;
  return new OfframpError('FORBIDDEN', message);
}

/**
 * Refuses to let everyone in where others can reach the server.
 * @throws OfframpError CONFIG_INVALID.
 */
export function refuseOpenHost(host: string): void {
  if (isLoopback(host)) return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Listening on ${host} lets others in: give it a token with --token-file, or listen on 127.0.0.1`,
  );
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
