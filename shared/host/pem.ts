import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OfframpError, reasonOf } from '../errors.ts';

/**
 * The bytes of a PEM file.
 * @param option what named the file, for messages.
 * @throws OfframpError CONFIG_INVALID when it cannot be read.
 */
export function readPem(file: string, option: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `Cannot read the file of ${option}: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

/**
 * The first certificate of a PEM file. TLS takes anything for a CA without a word, and then trusts nobody: look first.
 * @throws OfframpError CONFIG_INVALID for a file that cannot be read or holds none.
 */
export function readCertificate(
  file: string,
  option: string,
): { readonly pem: Buffer; readonly validToMs: number } {
  const pem = readPem(file, option);
  try {
    return { pem, validToMs: Date.parse(new X509Certificate(pem).validTo) };
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `${file} (${option}) is no certificate in PEM`, { cause });
  }
}
