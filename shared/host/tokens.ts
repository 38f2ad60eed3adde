import { createHash, timingSafeEqual } from 'node:crypto';
import { OfframpError } from '../errors.ts';

/** Says whether a bearer token is one of the server's. */
export type TokenCheck = (token: string | undefined) => boolean;

const minTokenLength = 16;
/** What a hello carries at most. */
const maxTokenLength = 512;

/**
 * Builds the check over the configured tokens. Comparison is over hashes of equal length and looks at every token, so that
 * its time tells nothing about them. Without tokens everyone is let in, which only a loopback server may do.
 * @throws OfframpError CONFIG_INVALID for a token too short or too long, or for none on a host that others can reach.
 */
export function tokenCheck(tokens: readonly string[], host: string): TokenCheck {
  if (tokens.length === 0) {
    if (isLoopback(host)) return () => true;
    throw new OfframpError(
      'CONFIG_INVALID',
      `Listening on ${host} lets others in: give it a token with --token-file, or listen on 127.0.0.1`,
    );
  }
  const odd = tokens.find((token) => token.length < minTokenLength || token.length > maxTokenLength);
  if (odd !== undefined) {
    throw new OfframpError(
      'CONFIG_INVALID',
      `A token has ${odd.length} characters, expected ${minTokenLength} to ${maxTokenLength}`,
    );
  }
  const known = tokens.map(hash);
  return (token) => {
    if (token === undefined) return false;
    const given = hash(token);
    let found = false;
    for (const one of known) found = timingSafeEqual(one, given) || found;
    return found;
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
