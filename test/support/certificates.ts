/** Certificates for the tests, made anew each time: nothing that could expire or leak is kept. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Whether openssl is there to make them; a test without it says so and is skipped. */
export const haveOpenssl = spawnSync('openssl', ['version']).status === 0;
export const noOpenssl = 'openssl is not on the PATH';

/** PEM files of a certificate and its key. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

function openssl(folder: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** An authority of one's own. */
export function makeAuthority(folder: string, name: string): Pair {
  const [cert, key] = [`${name}.pem`, `${name}.key`];
  openssl(
    folder,
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
  );
  return { cert: join(folder, cert), key: join(folder, key) };
}

export interface CertificateOptions {
  /** The common name; empty for none. */
  readonly commonName: string;
  readonly days?: number;
}

/** A certificate by that authority, good for 127.0.0.1 and localhost. */
export function makeCertificate(
  folder: string,
  name: string,
  authority: Pair,
  { commonName, days = 30 }: CertificateOptions,
): Pair {
  const [cert, key, request, extensions] = [`${name}.pem`, `${name}.key`, `${name}.csr`, `${name}.ext`];
  const subject = commonName === '' ? '/O=nobody' : `/CN=${commonName}`;
  writeFileSync(join(folder, extensions), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl(folder, 'req', ...newKey, '-keyout', key, '-out', request, '-subj', subject);
  const signed = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial', '-days', String(days)];
  openssl(folder, 'x509', '-req', '-in', request, '-out', cert, ...signed, '-extfile', extensions);
  return { cert: join(folder, cert), key: join(folder, key) };
}
