import type { RemoteServer } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { readCertificate } from '../../shared/host/index.ts';
import type { RemoteSettings } from '../cli/remote.ts';
import { readTokens } from '../options.ts';

/**
 * The server of the options about a remote one; `undefined` where none is named.
 * @throws OfframpError CONFIG_INVALID for files that cannot be read, or that are for no server.
 */
export function remoteServerOf(settings: RemoteSettings): RemoteServer | undefined {
  const { remote: url, remoteTokenFile, remoteCa } = settings;
  if (url === undefined) {
    if (remoteTokenFile === undefined && remoteCa === undefined) return undefined;
    throw new OfframpError('CONFIG_INVALID', '--remote-token-file and --remote-ca need --remote');
  }
  const token = readTokens(remoteTokenFile, 'OFFRAMP_REMOTE_TOKEN')[0]?.token;
  return {
    url,
    ...(token !== undefined && { token }),
    ...(remoteCa !== undefined && { tls: { ca: readCertificate(remoteCa, '--remote-ca').pem } }),
    parallel: settings.remoteParallel,
    encoding: settings.remoteEncoding,
    runTimeoutMs: settings.remoteTimeoutMs,
  };
}
