import { type Finding, failed, ok, warning } from './check.ts';

/** A port that a server is to listen on. */
export interface WantedPort {
  readonly port: number;
  /** Asked for by name; else it is a default, and what has it may well be the server itself. */
  readonly asked: boolean;
}

/** Whether a port can be bound; `code` is what the system said, `undefined` when it can. */
export function judgePort({ port, asked }: WantedPort, code: string | undefined): Finding {
  switch (code) {
    case undefined:
      return ok('free');
    case 'EADDRINUSE': {
      const mend = `see by what: ss -ltnp 'sport = :${port}' (or lsof -i :${port}); end it, or another --port`;
      if (asked) return failed('taken by another process (EADDRINUSE)', mend);
      return warning('taken (EADDRINUSE), perhaps by the server that runs here already', mend);
    }
    case 'EACCES':
      return failed(
        'may not be bound (EACCES)',
        'a --port above 1023, or the capability CAP_NET_BIND_SERVICE',
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return failed(
        `the host is no address of this machine (${code})`,
        '--host 127.0.0.1, or 0.0.0.0 for all addresses',
      );
    default:
      return failed(`cannot be bound (${code})`, 'another --port or --host');
  }
}
