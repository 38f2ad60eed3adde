import { readFileSync } from 'node:fs';
import { OfframpError, reasonOf } from '../errors.ts';
import { parseTokens, type TokenEntry } from './token-lines.ts';

/** Tokens that are known at the start, or a file of them that may change. */
export type TokenSource = { readonly file: string } | { readonly entries: readonly TokenEntry[] };

/**
 * Reads a token file, as {@link parseTokens} does.
 * @throws OfframpError CONFIG_INVALID also for a file that cannot be read or holds no token.
 */
export function readTokenFile(file: string): TokenEntry[] {
  const entries = parseTokens(contentOf(file), file);
  if (entries.length > 0) return entries;
  throw new OfframpError('CONFIG_INVALID', `${file} holds no token, expected one a line`);
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `Cannot read the token file: ${reasonOf(cause)}`, { cause });
  }
}
