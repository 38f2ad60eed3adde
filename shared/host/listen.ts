import { OfframpError } from '../errors.ts';

/** Turns what `listen` throws into words. */
export function listenError(thrown: unknown, host: string, port: number): OfframpError {
  if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRINUSE') {
    const message = `Port ${port} on ${host} is taken by another process; choose another with --port, or 0 for any`;
    return new OfframpError('PORT_IN_USE', message, { cause: thrown });
  }
  if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRNOTAVAIL') {
    const message = `${host} is no address of this machine; listen on 127.0.0.1, or on 0.0.0.0 for all of them`;
    return new OfframpError('CONFIG_INVALID', message, { cause: thrown });
  }
  return OfframpError.from(thrown);
}
