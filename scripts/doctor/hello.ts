import type { ErrorCode } from '../../shared/errors.ts';
import type { BundleClaim } from '../../shared/protocol/index.ts';
import { type Finding, failed, ok } from './check.ts';
import { failureWords } from './failure.ts';
import type { HelloOutcome } from './hello-probe.ts';

const proxyMend =
  'the proxy must pass on Upgrade, Connection and Sec-WebSocket-Protocol; see "wss: behind a proxy" in docs/operating.md';

const mends: Readonly<Partial<Record<ErrorCode, string>>> = {
  UNAUTHORIZED:
    "the server's token in --cloud-token-file (its first line counts) or OFFRAMP_CLOUD_TOKEN; compare with the server's --token-file",
  FORBIDDEN: "scope infer for this token in the server's token file",
  PROTOCOL_UNSUPPORTED: 'the same version of Offramp on both sides',
  TOO_MANY_CONNECTIONS: '--max-connections, --max-connections-per-address or --trust-proxy on the server',
  RATE_LIMITED: "wait a moment; else --new-connections-per-second, or the token's limits, on the server",
  DRAINING: 'wait until the server has restarted',
};

/** What a hello with the claim of one bundle came to. */
export function judgeHello(outcome: HelloOutcome, claim: BundleClaim): Finding {
  switch (outcome.kind) {
    case 'welcome': {
      const { server, credits, bundles } = outcome.welcome;
      const theirs = bundles.filter(({ id }) => id === claim.id).map(({ digest }) => digest);
      if (!theirs.includes(claim.digest)) return mismatch(claim, theirs.join(' and ') || 'none');
      return ok(`accepted by ${server}, ${credits} credits, the same digest on both sides`);
    }
    case 'refused':
      return judgeRefusal(outcome.code, outcome.message, claim);
    case 'not-upgraded':
      return failed(`no WebSocket there: the upgrade was answered with status ${outcome.status}`, proxyMend);
    case 'failed':
      if (/subprotocol/.test(outcome.message)) {
        return failed(`the subprotocol was not taken: ${outcome.message}`, proxyMend);
      }
      return failed(
        `no welcome: ${failureWords(outcome)}`,
        'is it an Offramp server? See the lines above, and its log',
      );
  }
}

function judgeRefusal(code: ErrorCode, message: string, claim: BundleClaim): Finding {
  const found = `${code}: ${message}`;
  if (code === 'BUNDLE_DIGEST_MISMATCH') {
    // The server names both digests, and which side has which.
    const named = message.includes(claim.digest) ? found : `${found}; here it is ${claim.digest}`;
    return failed(named, sameBundle(claim));
  }
  if (code === 'BUNDLE_NOT_FOUND') {
    return failed(
      found,
      `on the server: offramp cloud --bundle ${claim.id}; or here --bundle with one that it has`,
    );
  }
  return failed(found, mends[code] ?? `${code} in docs/errors.md`);
}

function mismatch(claim: BundleClaim, theirs: string): Finding {
  const found = `BUNDLE_DIGEST_MISMATCH: ${claim.id} has digest ${claim.digest} here and ${theirs} on the server`;
  return failed(found, sameBundle(claim));
}

function sameBundle({ id }: BundleClaim): string {
  return `the same files on both sides: copy the folder of ${id} byte by byte, then restart what was changed`;
}
