import type { IncomingHttpHeaders } from 'node:http';
import { OfframpError } from '../errors.ts';

/**
 * Which pages may open a WebSocket from a browser. A browser sends the page's `Origin` with every upgrade and follows no
 * same-origin policy for it, so the server has to (OWASP ASVS 4.4.2). Programs send no `Origin` and pass.
 */
export class AllowedOrigins {
  readonly #origins: ReadonlySet<string>;

  /**
   * @param origins such as `https://app.example`; the server's own pages need not be listed.
   * @throws OfframpError CONFIG_INVALID for what is no origin.
   */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins.map(checked));
  }

  /** Returns why the upgrade is refused, ORIGIN_REFUSED, or `undefined`. */
  refusal({ origin, host }: Pick<IncomingHttpHeaders, 'origin' | 'host'>): OfframpError | undefined {
    if (origin === undefined || this.#origins.has(origin)) return undefined;
    const sameOrigin = host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
    if (sameOrigin) return undefined;
    const message = `Pages of ${origin.slice(0, 200)} may not connect; list their origin with --allow-origin`;
    return new OfframpError('ORIGIN_REFUSED', message);
  }
}

function checked(text: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  if (origin !== 'null' && (text === origin || text === `${origin}/`)) return origin;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Allowed origin '${text}', expected one such as https://app.example`,
  );
}
