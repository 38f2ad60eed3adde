import { OfframpError } from '../../shared/errors.ts';

/** @throws OfframpError CONFIG_INVALID. */
export function checkCloudUrl(url: string): void {
  const { protocol = '', hash = '' } = URL.canParse(url) ? new URL(url) : {};
  // RFC 6455 section 3: a WebSocket address has no fragment, and what dials throws at one.
  if (/^wss?:$/.test(protocol) && hash === '') return;
  throw new OfframpError(
    'CONFIG_INVALID',
    `Cloud address '${url}', expected ws://host:port or wss://host:port`,
  );
}
