import { createServer } from 'node:net';
import type { Check } from './check.ts';
import { judgePort, type WantedPort } from './ports.ts';

/** Binds each port for a moment. */
export async function examinePorts(host: string, ports: readonly WantedPort[]): Promise<Check[]> {
  return Promise.all(
    ports.map(async (wanted) => ({
      check: `port ${wanted.port} on ${host}`,
      ...judgePort(wanted, await bindingError(host, wanted.port)),
    })),
  );
}

/** The system's code for why a port cannot be bound; `undefined` when it can. */
function bindingError(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
