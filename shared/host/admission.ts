import type { IncomingHttpHeaders } from 'node:http';
import { OfframpError } from '../errors.ts';
import { foreignRequest } from './own-machine.ts';
import { tokenCheck } from './tokens.ts';

/** Looks at a request's headers; returns why it is refused, or `undefined`. */
export type Admission = (headers: IncomingHttpHeaders) => OfframpError | undefined;

/**
 * Who may use an HTTP API: with tokens, who sends one as `Authorization: Bearer`; without, this machine's own programs.
 * @throws OfframpError CONFIG_INVALID as {@link tokenCheck} does.
 */
export function httpAdmission(tokens: readonly string[], host: string): Admission {
  const authorised = tokenCheck(tokens, host);
  if (tokens.length === 0) return foreignRequest;
  return ({ authorization }) => {
    const token = authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : undefined;
    if (authorised(token)) return undefined;
    const got = authorization === undefined ? 'no Authorization header' : 'a token that is not known';
    return new OfframpError(
      'UNAUTHORIZED',
      `Got ${got}, expected "Authorization: Bearer" and one of the tokens`,
    );
  };
}
