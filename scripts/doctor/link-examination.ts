import { isLoopback } from '../../shared/host/index.ts';
import type { BundleClaim } from '../../shared/protocol/index.ts';
import { type Check, type Finding, failed, skipped } from './check.ts';
import type { Failure } from './failure.ts';
import { judgeHello } from './hello.ts';
import { greet } from './hello-probe.ts';
import {
  judgeAddress,
  judgeCertificateEnd,
  judgeClock,
  judgeConnection,
  judgeHandshake,
  judgePlain,
  judgeReadiness,
  judgeRoundTrip,
} from './link.ts';
import {
  askHttp,
  type HttpAnswer,
  resolveHost,
  type Target,
  type TlsFiles,
  targetOf,
  tryTcp,
  tryTls,
} from './link-probe.ts';

export interface LinkOptions {
  /** As `--cloud` has it. */
  readonly url: string;
  /** @throws OfframpError for files that are no good. */
  readonly tls: (url: string) => TlsFiles;
  /** What the hello carries; absent without one. */
  readonly token: string | undefined;
  readonly agent: string;
  readonly bundles: readonly BundleClaim[];
  /** Milliseconds that each step may take. */
  readonly limitMs: number;
}

/** Goes the way of a device to its cloud server, step by step; what comes after a step that fails is skipped. */
export async function examineLink(options: LinkOptions): Promise<Check[]> {
  const url = cloudUrl(options.url);
  if (url === undefined) {
    const finding = failed('no address of a cloud server', 'ws://HOST:PORT or wss://HOST:PORT');
    return [{ check: `cloud ${options.url}`, ...finding }];
  }
  const steps = new Steps(`${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`);
  const target = targetOf(url, options.tls(options.url), options.limitMs);
  const reached = await reach(target, steps);
  const greeted = options.bundles.map(({ id }) => `hello ${id}`);
  if (!reached) steps.skip([...greeted, 'round trip']);
  else await greetWithEach(target, options, steps);
  return steps.checks;
}

/** The lines on one server, in order. */
class Steps {
  readonly #place: string;
  readonly checks: Check[] = [];

  constructor(place: string) {
    this.#place = place;
  }

  /** Says whether the next step can be gone. */
  add(step: string, finding: Finding): boolean {
    this.checks.push({ check: `${this.#place} ${step}`, ...finding });
    return finding.state !== 'failed';
  }

  skip(steps: readonly string[]): void {
    for (const step of steps) this.add(step, skipped('not tried, since a step before it failed'));
  }
}

/** Address, TCP, TLS and HTTP; whether a hello can be said. */
async function reach(target: Target, steps: Steps): Promise<boolean> {
  const { host, port, encrypted } = target;
  const rest = encrypted ? ['tls', 'certificate', 'readyz', 'clock'] : ['tls', 'readyz', 'clock'];
  const skip = (left: readonly string[]) => {
    steps.skip(left);
    return false;
  };
  if (!steps.add('address', judgeAddress(await resolveHost(target), host)))
    return skip(['connection', ...rest]);
  const connection = judgeConnection(await tryTcp(target), `${host} port ${port}`);
  if (!steps.add('connection', connection)) return skip(rest);
  if (encrypted && !(await trust(target, steps))) return skip(['readyz', 'clock']);
  const answer = await askHttp(target, '/readyz');
  if (!encrypted && !(await speaksPlain(target, answer, steps))) return skip(['readyz', 'clock']);
  const isReady = steps.add('readyz', judgeReadiness(answer, encrypted ? 'wss' : 'ws'));
  steps.add('clock', judgeClock(answer));
  // A server that answers is greeted, ready or not: it says why it refuses.
  return isReady || answer.kind === 'answer';
}

async function trust(target: Target, steps: Steps): Promise<boolean> {
  const handshake = await tryTls(target);
  const isTrusted = steps.add('tls', judgeHandshake(handshake, Date.now()));
  if (handshake.kind === 'failed') steps.skip(['certificate']);
  else steps.add('certificate', judgeCertificateEnd(handshake.validToMs, Date.now()));
  return isTrusted;
}

/** Where plain HTTP fails, TLS is tried: the commonest reason is that the address should begin with wss:. */
async function speaksPlain(target: Target, answer: HttpAnswer | Failure, steps: Steps): Promise<boolean> {
  const mayBeTls = answer.kind === 'failed' && answer.code !== 'ETIMEDOUT';
  const handshake = mayBeTls ? await tryTls(target) : undefined;
  return steps.add('tls', judgePlain(isLoopback(target.host) ? 'loopback' : 'network', handshake));
}

async function greetWithEach(
  target: Target,
  { agent, token, bundles }: LinkOptions,
  steps: Steps,
): Promise<void> {
  const roundTripsMs: number[] = [];
  let welcomes = 0;
  for (const claim of bundles) {
    const outcome = await greet(target, {
      ...{ agent, bundles: [claim] },
      ...(token !== undefined && { token }),
    });
    steps.add(`hello ${claim.id}`, judgeHello(outcome, claim));
    if (outcome.kind !== 'welcome') continue;
    welcomes++;
    roundTripsMs.push(...outcome.roundTripsMs);
  }
  if (welcomes === 0) steps.skip(['round trip']);
  else steps.add('round trip', judgeRoundTrip(roundTripsMs));
}

/** RFC 6455 section 3: a WebSocket address has no fragment. */
function cloudUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^wss?:$/.test(url.protocol) && url.hash === '' ? url : undefined;
}
