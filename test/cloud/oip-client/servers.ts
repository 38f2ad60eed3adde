/** HTTP servers for the tests of the client: honest ones, and such that lie, dawdle and die. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { OipClient, type OipClientOptions } from '../../../cloud/oip-client/index.ts';
import { OfframpError } from '../../../shared/errors.ts';

const closers = new Set<() => Promise<void>>();

/** Ends every server and client that a test has left. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...closers].map((close) => close()));
  closers.clear();
}

/** A server on a port of its own, and what happened at it. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  /** Connections that were opened since the start. */
  readonly opened: () => number;
  close(): Promise<void>;
}

/** A request, whole. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Handler = (request: Received, response: ServerResponse) => void | Promise<void>;

/** Serves HTTP; `handler` gets requests whose bodies are complete. */
export function serveHttp(handler: Handler, port = 0): Promise<TestServer> {
  return listen(createServer(wholeRequests(handler)), port);
}

export function wholeRequests(handler: Handler): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      void handler({ method, path, headers, body: Buffer.concat(chunks) }, response);
    });
  };
}

/** Hands over bare connections. */
export function serveTcp(onConnection: (socket: Socket) => void): Promise<TestServer> {
  return listen(
    createTcpServer((socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    }),
    0,
  );
}

export async function listen(server: Server, port: number, scheme = 'http'): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let opened = 0;
  server.on('connection', (socket: Socket) => {
    opened++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  // A TCP server's address has a port.
  const address = server.address() as AddressInfo;
  const close = async () => {
    closers.delete(close);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  closers.add(close);
  return { url: `${scheme}://127.0.0.1:${address.port}`, port: address.port, opened: () => opened, close };
}

/** A client that is closed after the test. */
export function clientOf(
  { url }: Pick<TestServer, 'url'>,
  options: Partial<OipClientOptions> = {},
): OipClient {
  const client = new OipClient({ url, timeoutMs: 5000, ...options });
  closers.add(async () => client.close());
  return client;
}

export interface JsonTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly data?: readonly unknown[];
}

/** The JSON of an inference request and the bytes behind it. */
export function partsOf({ headers, body }: Pick<Received, 'headers' | 'body'>): {
  readonly words: {
    readonly id?: string;
    readonly inputs: readonly JsonTensor[];
    readonly outputs?: readonly { readonly name: string }[];
  };
  readonly tail: Buffer;
} {
  const length = Number(headers['inference-header-content-length'] ?? body.length);
  return { words: JSON.parse(body.subarray(0, length).toString()), tail: body.subarray(length) };
}

/** Answers with JSON and what follows behind it. */
export function answer(response: ServerResponse, words: unknown, tail?: Uint8Array): void {
  const json = Buffer.from(JSON.stringify(words));
  if (tail === undefined) {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(json);
    return;
  }
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Inference-Header-Content-Length': json.length,
    'Content-Length': json.length + tail.length,
  });
  // In pieces that cut through tensors and through their elements.
  const body = Buffer.concat([json, tail]);
  for (let at = 0; at < body.length; at += 1021) response.write(body.subarray(at, at + 1021));
  response.end();
}

/** What a call was refused with. */
export async function refusal(call: Promise<unknown>): Promise<OfframpError> {
  try {
    await call;
  } catch (thrown) {
    if (thrown instanceof OfframpError) return thrown;
    throw thrown;
  }
  throw new Error('it was not refused');
}
