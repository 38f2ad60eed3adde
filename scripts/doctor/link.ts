import { type Finding, failed, ok, skipped, warning } from './check.ts';
import { type Failure, failureWords } from './failure.ts';
import type { Connected, Handshake, HttpAnswer, Resolved } from './link-probe.ts';

const dayMs = 24 * 3600 * 1000;
/** A certificate that ends before is to be renewed now. */
const soonDays = 14;
/** Further apart, and what ends by the clock ends at different times on the two sides. */
const maxSkewMs = 5000;

/** Whether the host has an address. */
export function judgeAddress(outcome: Resolved | Failure, host: string): Finding {
  if (outcome.kind === 'resolved') return ok(outcome.addresses.join(', '));
  const found = `no address for ${host}: ${failureWords(outcome)}`;
  return failed(
    found,
    `the name in --cloud, or name resolution here (getent hosts ${host}, /etc/resolv.conf)`,
  );
}

/** Whether something listens at the port, and if not, why. */
export function judgeConnection(outcome: Connected | Failure, place: string): Finding {
  if (outcome.kind === 'connected') return ok(`TCP in ${inMs(outcome.durationMs)}`);
  switch (outcome.code) {
    case 'ECONNREFUSED':
      return failed(
        `${place} refuses: nothing listens there (ECONNREFUSED)`,
        'start the server (offramp cloud --host 0.0.0.0 --token-file FILE), or correct the port in --cloud',
      );
    case 'ETIMEDOUT':
      return failed(
        `${place} does not answer: ${outcome.message}`,
        'let TCP to that port through every firewall on the way, and see that the machine is on',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return failed(
        `no way to ${place} (${outcome.code})`,
        'the network of this machine: ip route, VPN, default gateway',
      );
    default:
      return failed(
        `${place}: ${failureWords(outcome)}`,
        'the address in --cloud, and the network of this machine',
      );
  }
}

/** Whether a `wss:` server can be trusted. */
export function judgeHandshake(outcome: Handshake | Failure, nowMs: number): Finding {
  if (outcome.kind === 'failed') return judgeHandshakeFailure(outcome);
  const { protocol, distrust, names, validToMs } = outcome;
  switch (distrust) {
    case undefined:
      return ok(`${protocol}, certificate for ${names}`);
    case 'CERT_HAS_EXPIRED':
      return failed(
        `the server's certificate expired on ${dayOf(validToMs)} (CERT_HAS_EXPIRED); the clock here says ${dayOf(nowMs)}`,
        'renew the files of --tls-cert and --tls-key on the server, or set the clock here',
      );
    case 'CERT_NOT_YET_VALID':
      return failed(
        `the server's certificate does not hold yet (CERT_NOT_YET_VALID); the clock here says ${dayOf(nowMs)}`,
        'set the clock here: timedatectl set-ntp true',
      );
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return failed(
        `the server's certificate is for other names: ${names} (${distrust})`,
        'one of these names in --cloud, or a certificate with that name',
      );
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return failed(
        `the server's certificate is of an authority that is not trusted here (${distrust})`,
        '--cloud-ca FILE with that authority; for a public one, put the certificates in between into the file of --tls-cert on the server',
      );
    default:
      return failed(`the server's certificate is not trusted: ${distrust}`, 'renew it, or --cloud-ca FILE');
  }
}

function judgeHandshakeFailure(failure: Failure): Finding {
  if (isOtherProtocol(failure)) {
    const mend = 'ws: in --cloud, or --tls-cert and --tls-key on the server';
    return failed(`the port does not speak TLS: ${failureWords(failure)}`, mend);
  }
  const mend = 'see that the server takes TLS 1.2 or newer, and that nothing on the way cuts it off';
  return failed(`no TLS: ${failureWords(failure)}`, mend);
}

/** OpenSSL's words for bytes that are no TLS record. */
function isOtherProtocol({ code = '', message }: Failure): boolean {
  return /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE/.test(`${code} ${message}`);
}

/** How long the server's certificate still holds. */
export function judgeCertificateEnd(validToMs: number, nowMs: number): Finding {
  const days = Math.floor((validToMs - nowMs) / dayMs);
  const found = `holds to ${dayOf(validToMs)}, ${days} days`;
  if (days >= soonDays) return ok(found);
  return warning(
    found,
    'renew the files of --tls-cert and --tls-key on the server; it reads them while it runs',
  );
}

/**
 * What a `ws:` address means.
 * @param reach whether the link stays on this machine.
 * @param tls what a TLS handshake with the port came to, where plain HTTP got no answer from it.
 */
export function judgePlain(reach: 'loopback' | 'network', tls: Handshake | Failure | undefined): Finding {
  if (tls?.kind === 'handshake') {
    return failed(`the port speaks ${tls.protocol}, the address begins with ws:`, 'wss: in --cloud');
  }
  if (reach === 'loopback') return ok('not encrypted, and stays on this machine');
  return warning(
    'not encrypted: token and codes can be read on the way',
    'wss: in --cloud, once the server has TLS',
  );
}

interface Readiness {
  readonly ready?: unknown;
  readonly provider?: unknown;
}

/** What the server says of itself at `/readyz`. */
export function judgeReadiness(outcome: HttpAnswer | Failure, scheme: 'ws' | 'wss'): Finding {
  if (outcome.kind === 'failed') return judgeSilence(outcome, scheme);
  const { status, body } = outcome;
  const { ready, provider } = readinessOf(body);
  if (ready === true) return ok(`ready, segments run on ${String(provider)}`);
  if (ready === false) {
    const mend = 'wait until it has restarted; else look at its log';
    return failed(`not ready (${status}): the server is stopping, or has nothing to compute with`, mend);
  }
  return skipped(`no /readyz there (status ${status}); a proxy may keep it inside`);
}

function judgeSilence(failure: Failure, scheme: 'ws' | 'wss'): Finding {
  // The handshake has succeeded before; a server that wants a client certificate hangs up only after it.
  if (scheme === 'wss' && /ALERT|ECONNRESET|EPIPE/.test(failure.code ?? '')) {
    const mend = '--cloud-cert and --cloud-key with a certificate of the authority in its --tls-client-ca';
    return failed(
      `hangs up after the handshake (${failure.code}): it may ask for a client certificate`,
      mend,
    );
  }
  if (failure.code === 'ETIMEDOUT') {
    const mend = 'is it an Offramp server? Restart it when it hangs; a proxy before it: its upstream';
    return failed(`takes connections and does not answer: ${failure.message}`, mend);
  }
  return failed(`no HTTP there: ${failureWords(failure)}`, 'the port in --cloud, and ws: or wss:');
}

/** An object with whatever the body has; empty when it is none. */
function readinessOf(body: string): Readiness {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/** The server's clock against this one; a `Date` header has whole seconds, cut off. */
export function judgeClock(outcome: HttpAnswer | Failure): Finding {
  if (outcome.kind === 'failed' || outcome.dateMs === undefined) return skipped('the server says no time');
  const skewMs = outcome.dateMs + 500 - outcome.middleMs;
  const found = `${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs > 0 ? 'behind' : 'ahead of'} the server's`;
  if (Math.abs(skewMs) <= maxSkewMs) return ok(found);
  return warning(found, 'set both clocks by the network: timedatectl set-ntp true');
}

/** How long a message takes there and back, by the median of pings. */
export function judgeRoundTrip(timesMs: readonly number[]): Finding {
  const sorted = [...timesMs].sort((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  if (least === undefined || median === undefined || most === undefined) {
    return warning(
      'no ping came back',
      'a proxy must pass WebSocket pings on: they keep the connection alive',
    );
  }
  return ok(`${inMs(median)} (median of ${sorted.length} pings, ${inMs(least)} to ${inMs(most)})`);
}

function inMs(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

function dayOf(epochMs: number): string {
  return Number.isFinite(epochMs) ? new Date(epochMs).toISOString().slice(0, 10) : 'no date';
}
