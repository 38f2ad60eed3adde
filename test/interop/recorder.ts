import { type AddressInfo, connect, createServer } from 'node:net';
import { withoutPort } from './calls.ts';

/** Passes connections on to a port of this machine and keeps what goes over them. */
export interface Recorder {
  readonly url: string;
  /** What went over since the last time. */
  take(): { readonly request: Buffer; readonly response: Buffer };
  stop(): void;
}

export async function startRecorder(port: number): Promise<Recorder> {
  const requests: Buffer[] = [];
  const responses: Buffer[] = [];
  const server = createServer((inner) => {
    const outer = connect(port, '127.0.0.1');
    inner.on('data', (chunk: Buffer) => requests.push(chunk));
    outer.on('data', (chunk: Buffer) => responses.push(chunk));
    inner.on('error', () => outer.destroy());
    outer.on('error', () => inner.destroy());
    inner.pipe(outer).pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server's address has a port.
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    take: () => ({
      request: withoutPort(Buffer.concat(requests.splice(0))),
      response: Buffer.concat(responses.splice(0)),
    }),
    stop: () => server.close(),
  };
}
