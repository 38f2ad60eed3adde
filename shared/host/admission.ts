import type { IncomingHttpHeaders } from 'node:http';
import { OfframpError } from '../errors.ts';
import { foreignRequest } from './own-machine.ts';
import type { TokenEntry } from './token-lines.ts';
import { refuseOpenHost, TokenTable } from './tokens.ts';

/** Looks at a request's headers; returns why it is refused, or `undefined`. */
export type Admission = (headers: IncomingHttpHeaders) => OfframpError | undefined;

/**
 * Who may use an HTTP API: with tokens, who sends one as `Authorization: Bearer`; without, this machine's own programs.
 * Expiry and scope of a token hold, its limits do not: they are the cloud server's.
 * @param epochMs the time, milliseconds since 1970.
 * @throws OfframpError CONFIG_INVALID as {@link refuseOpenHost} does.
 */
export function httpAdmission(
  tokens: readonly TokenEntry[],
  host: string,
  epochMs: () => number = Date.now,
): Admission {
  if (tokens.length === 0) {
    refuseOpenHost(host);
    return foreignRequest;
  }
  const table = new TokenTable(tokens);
  return ({ authorization }) => {
    try {
      table.identify(bearerToken(authorization), 'infer', epochMs(), 'The header "Authorization: Bearer"');
      return undefined;
    } catch (thrown) {
      return OfframpError.from(thrown);
    }
  };
}

/** The token of an `Authorization` header (RFC 6750 section 2.1); `undefined` when it holds none. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : undefined;
}
