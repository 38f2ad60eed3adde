import { createSecureContext } from 'node:tls';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { readCertificate, readPem } from '../../shared/host/index.ts';

/** PEM files for a `wss:` connection. */
export interface CloudTlsFiles {
  /** Authorities to trust instead of those that Node brings. */
  readonly caFile?: string | undefined;
  /** The device's own certificate and its key, for a server that asks for one. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** What a connection is made with, as `tls.connect` takes it. */
export interface CloudTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/**
 * Reads and checks the files.
 * @throws OfframpError CONFIG_INVALID for a file that cannot be read or is no PEM, for a certificate without its key, and for
 * files without a use, since `url` is not `wss:`.
 */
export function readCloudTls(
  { caFile, certFile, keyFile }: CloudTlsFiles,
  url: string | undefined,
): CloudTls {
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return {};
  if (!url?.startsWith('wss:')) {
    const message =
      '--cloud-ca, --cloud-cert and --cloud-key are for a --cloud address that begins with wss:';
    throw new OfframpError('CONFIG_INVALID', message);
  }
  const ca = caFile === undefined ? {} : { ca: readCertificate(caFile, '--cloud-ca').pem };
  if (certFile === undefined && keyFile === undefined) return ca;
  if (certFile === undefined || keyFile === undefined) {
    throw new OfframpError('CONFIG_INVALID', 'One of --cloud-cert and --cloud-key alone, expected both');
  }
  const { pem: cert } = readCertificate(certFile, '--cloud-cert');
  const key = readPem(keyFile, '--cloud-key');
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const message = `${certFile} and ${keyFile} are no certificate and its key: ${reasonOf(cause)}`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
  return { ...ca, cert, key };
}

/**
 * Reads now, and again whenever it is called; what cannot be read later stays as it was.
 * @throws whatever `read` throws the first time.
 */
export function keptFresh<T>(read: () => T): () => T {
  let last = read();
  return () => {
    try {
      last = read();
    } catch {
      // A file that is being replaced: the next connection finds it whole.
    }
    return last;
  };
}
