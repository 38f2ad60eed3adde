import { readCloudTls } from '../../edge/daemon/cloud-tls.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { CloudTlsSettings } from '../cli/access.ts';
import { cloudTlsFilesOf, type Device } from '../options.ts';
import { version } from '../project.ts';
import { examineBundles, type WholeBundle } from './bundles-probe.ts';
import { type Check, failed } from './check.ts';
import { examineLink } from './link-examination.ts';
import { examineNode, examineResources } from './machine-probe.ts';
import type { WantedPort } from './ports.ts';
import { examinePorts } from './ports-probe.ts';
import { examineProviders } from './providers-probe.ts';
import { examineOpenness, examineTokens } from './tokens-probe.ts';

/** What is to run on this machine, and what it is to reach. */
export interface DoctorOptions extends CloudTlsSettings {
  /** Ids or folders. */
  readonly bundle: readonly string[];
  readonly device: Device;
  readonly workers: number;
  readonly threads: number;
  readonly maxConnections: number;
  readonly host: string;
  readonly ports: readonly WantedPort[];
  /** Tokens that a server here asks for. */
  readonly tokenFile?: string;
  readonly cloud?: readonly string[];
  /** The token that goes to the cloud servers. */
  readonly cloudTokenFile?: string;
  /** Milliseconds that a step on the network may take. */
  readonly timeoutMs: number;
}

/**
 * Examines the machine, one thing after the other, so that none slows down what another measures; what belongs together comes
 * together. Throws nothing: whatever goes wrong is a check that has failed.
 */
export async function* examine(options: DoctorOptions): AsyncGenerator<readonly Check[]> {
  const { bundle, device, workers, threads, maxConnections, host, ports } = options;
  yield* group('node', () => examineNode());
  const { checks, whole } = await examineBundles(bundle);
  yield checks;
  yield* group('providers', () => examineProviders(whole[0]?.folder, device));
  const graphBytes = whole.reduce((sum, one) => sum + one.graphBytes, 0);
  yield* group('resources', () =>
    examineResources({ workers, threads, graphBytes, connections: maxConnections }),
  );
  yield* group('ports', () => examinePorts(host, ports));
  const { checks: tokenChecks, token } = examineAllTokens(options);
  yield tokenChecks;
  yield* examineClouds(options, whole, token);
}

/**
 * The tokens that a server here asks for, and the one that this machine sends. OFFRAMP_CLOUD_TOKEN is either, by whether there is
 * a cloud server to send it to.
 */
function examineAllTokens({ cloud, cloudTokenFile, tokenFile, host }: DoctorOptions): {
  readonly checks: readonly Check[];
  readonly token: string | undefined;
} {
  const own = examineTokens({
    ...{ use: 'asked', option: '--token-file', file: tokenFile, variable: 'OFFRAMP_EDGE_TOKEN' },
  });
  const isSent = cloud !== undefined || cloudTokenFile !== undefined;
  const other = examineTokens({
    ...{ option: '--cloud-token-file', file: cloudTokenFile, variable: 'OFFRAMP_CLOUD_TOKEN' },
    use: isSent ? 'sent' : 'asked',
  });
  const asked = [own, ...(isSent ? [] : [other])];
  const count = asked.reduce((sum, { entries = [] }) => sum + entries.length, 0);
  return {
    checks: [...own.checks, ...other.checks, examineOpenness(host, count)],
    token: other.entries?.[0]?.token,
  };
}

async function* examineClouds(
  options: DoctorOptions,
  whole: readonly WholeBundle[],
  token: string | undefined,
): AsyncGenerator<readonly Check[]> {
  const { cloud = [], timeoutMs } = options;
  const tls = (url: string) => readCloudTls(cloudTlsFilesOf(options), url);
  const bundles = whole.map(({ id, digest }) => ({ id, digest }));
  for (const url of cloud) {
    yield* group(`cloud ${url}`, () =>
      examineLink({
        ...{ url, tls, token, bundles, limitMs: timeoutMs },
        agent: `offramp-doctor/${version}`,
      }),
    );
  }
}

/** The checks that `probe` makes, or one that says what it threw. */
async function* group(
  check: string,
  probe: () => readonly Check[] | Promise<readonly Check[]>,
): AsyncGenerator<readonly Check[]> {
  try {
    yield await probe();
  } catch (thrown) {
    const { code, message } = OfframpError.from(thrown);
    const mend =
      code === 'INTERNAL' ? 'offramp doctor --json, into a report of an error' : `${code} in docs/errors.md`;
    yield [{ check, ...failed(`${code}: ${message}`, mend) }];
  }
}
