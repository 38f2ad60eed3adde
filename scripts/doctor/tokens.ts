import type { TokenEntry } from '../../shared/host/index.ts';
import { type Finding, failed, ok, warning } from './check.ts';

/** Whose tokens they are: those that a server asks for, or the one that this device sends, the first. */
export type TokenUse = 'asked' | 'sent';

type Entry = Pick<TokenEntry, 'name' | 'expiresAtMs'>;

const soonMs = 14 * 24 * 3600 * 1000;

/**
 * Whether tokens still hold.
 * @param entries at least one.
 * @param epochMs milliseconds since 1970.
 */
export function judgeTokens(entries: readonly Entry[], use: TokenUse, epochMs: number): Finding {
  const counting = use === 'sent' ? entries.slice(0, 1) : entries;
  const spent = counting.filter(({ expiresAtMs = Number.POSITIVE_INFINITY }) => expiresAtMs <= epochMs);
  const ending = counting.filter(
    ({ expiresAtMs = Number.POSITIVE_INFINITY }) => expiresAtMs > epochMs && expiresAtMs - epochMs < soonMs,
  );
  const count = use === 'sent' ? 'the first token' : `${entries.length} tokens`;
  const renew = 'put a new token there, on both sides: openssl rand -hex 24';
  if (counting.length > 0 && spent.length === counting.length) {
    return failed(`${count}, expired: ${namesOf(spent)}`, renew);
  }
  if (spent.length > 0) return warning(`${count}, some have expired: ${namesOf(spent)}`, renew);
  if (ending.length > 0) return warning(`${count}, within 14 days expires: ${namesOf(ending)}`, renew);
  return ok(`${count}, none expired`);
}

/** Whether others on the machine can read a file of secrets; `mode` as `stat` gives it. */
export function judgeMode(mode: number, file: string): Finding {
  const shown = (mode & 0o777).toString(8).padStart(3, '0');
  if ((mode & 0o004) === 0) return ok(`mode ${shown}`);
  return warning(`mode ${shown}: everybody on this machine can read it`, `chmod 600 ${file}`);
}

/** Whether a server here would start with what it asks of clients; loopback may go without a token. */
export function judgeOpenness(reach: 'loopback' | 'network', tokens: number): Finding {
  if (tokens > 0) return ok('with tokens');
  if (reach === 'loopback') return ok('this machine alone; no token is asked for');
  const mend = '--token-file; or, for the cloud server, client certificates by --tls-client-ca';
  return warning('lets others in, and there is no token: a server would not start', mend);
}

function namesOf(entries: readonly Entry[]): string {
  const names = entries.slice(0, 5).map(({ name }) => name);
  return entries.length > names.length ? `${names.join(', ')} ...` : names.join(', ');
}
