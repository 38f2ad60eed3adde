import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import { OfframpError, reasonOf } from '../shared/errors.ts';
import { readCertificate, readPem } from '../shared/host/index.ts';

/** PEM files that may change while the server runs. */
export interface TlsFiles {
  /** The server's certificate and after it those between it and the root. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Certificates that client certificates have to come from; absent: none is asked for. */
  readonly clientCaFile?: string;
}

/** What TLS is served with, checked. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa?: Buffer;
  /** The end of the server certificate's validity, milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** TLS 1.0 and 1.1 are deprecated by RFC 8996. */
export const minTlsVersion = 'TLSv1.2';

/**
 * Reads and checks the files.
 * @throws OfframpError CONFIG_INVALID for a file that cannot be read, is no PEM, a key of another certificate, or a
 * certificate that has expired.
 */
export function readTls(files: TlsFiles, nowEpochMs: number): TlsMaterial {
  const { pem: cert, validToMs } = readCertificate(files.certFile, '--tls-cert');
  const key = readPem(files.keyFile, '--tls-key');
  const clientCa =
    files.clientCaFile === undefined ? undefined : readCertificate(files.clientCaFile, '--tls-client-ca').pem;
  if (validToMs <= nowEpochMs) {
    const ended = new Date(validToMs).toISOString();
    throw new OfframpError('CONFIG_INVALID', `The certificate in ${files.certFile} expired at ${ended}`);
  }
  try {
    createSecureContext({ cert, key, ...(clientCa && { ca: clientCa }) });
  } catch (cause) {
    const message = `${files.certFile} and ${files.keyFile} are no certificate and its key: ${reasonOf(cause)}`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
  return { cert, key, ...(clientCa && { clientCa }), expiresAtMs: validToMs };
}

/** The files of `files`, to be watched. */
export function tlsFileNames({ certFile, keyFile, clientCaFile }: TlsFiles): string[] {
  return [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
}

/** The common name in a client certificate that TLS has verified; absent without one, or when it names nobody. */
export function certificateName(socket: Duplex): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  // Two names in one subject come as an array, whatever the types say.
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
