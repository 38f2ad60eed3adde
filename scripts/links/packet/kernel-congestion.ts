import { readFileSync } from 'node:fs';
import { OfframpError } from '../../../shared/errors.ts';

const setting = '/proc/sys/net/ipv4/tcp_congestion_control';

/** TCP's congestion control on this machine unless a route says another. @throws OfframpError NOT_SUPPORTED where there is no Linux. */
export function kernelCongestion(): string {
  try {
    return readFileSync(setting, 'utf8').trim();
  } catch (cause) {
    throw new OfframpError('NOT_SUPPORTED', `packet link: ${setting} cannot be read, needs Linux`, { cause });
  }
}
