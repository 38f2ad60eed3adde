import type { IncomingHttpHeaders } from 'node:http';
import { OfframpError } from '../errors.ts';
import { isLoopback } from './tokens.ts';

/**
 * Whether a request to a server without tokens comes from this machine by more than its address. A page of a stranger, open in a
 * browser here, also connects from 127.0.0.1: it gives itself away by its `Origin`, or, when it has made its own name resolve
 * to 127.0.0.1 (DNS rebinding), by its `Host`.
 * @returns the refusal, UNAUTHORIZED, or `undefined` for a request of this machine's own.
 */
export function foreignRequest({ host, origin }: IncomingHttpHeaders): OfframpError | undefined {
  if (host !== undefined && !isLoopback(hostnameOf(`http://${host}`))) return refusal(`Host ${host}`);
  if (origin !== undefined && !isLoopback(hostnameOf(origin))) return refusal(`Origin ${origin}`);
  return undefined;
}

function refusal(got: string): OfframpError {
  const message = `Got ${got}; without tokens only this machine's own requests are served, see --token-file`;
  return new OfframpError('UNAUTHORIZED', message);
}

function hostnameOf(url: string): string {
  // An IPv6 address stands in brackets in a URL.
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : '';
}
