import * as http from 'node:http';
import * as https from 'node:https';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** TLS with certificates of one's own, PEM; without it the authorities that Node knows are trusted. */
export interface ClientTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface ConnectionsOptions {
  /** `http:` or `https:`, with a path where the server is behind one. */
  readonly url: string;
  /** Connections that are open at the same time; further requests wait for one. */
  readonly connections: number;
  /** Bytes of the largest answer that is read. */
  readonly maxResponseBytes: number;
  readonly token?: string | undefined;
  readonly tls?: ClientTls | undefined;
}

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** One behind the other. */
  readonly parts?: readonly Uint8Array[];
  /** For everything, from the connection to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly chunks: readonly Uint8Array[];
}

/** Servers that close idle connections do so after 5 seconds and more; a request must not go into one that is closing. */
const idleMs = 4000;
/** The connection was there and has broken. */
const lostCodes: readonly unknown[] = ['ECONNRESET', 'EPIPE', 'ECONNABORTED'];

/**
 * Connections to one server that stay open between requests. Made of `node:http` and not of `fetch`: the parts of a request go
 * to the socket as they are, the answer comes as the socket's chunks, and a request takes a fraction of the time.
 */
export class Connections {
  /** Scheme, host and port, for messages. */
  readonly origin: string;
  readonly #base: URL;
  readonly #agent: http.Agent;
  readonly #request: typeof http.request;
  readonly #options: ConnectionsOptions;

  /** @throws OfframpError CONFIG_INVALID for an address that is none. */
  constructor(options: ConnectionsOptions) {
    this.#base = baseOf(options.url);
    this.origin = this.#base.origin;
    this.#options = options;
    const secure = this.#base.protocol === 'https:';
    const agentOptions = { keepAlive: true, maxSockets: options.connections, timeout: idleMs };
    this.#agent = secure
      ? new https.Agent({ ...agentOptions, ...options.tls })
      : new http.Agent(agentOptions);
    this.#request = secure ? https.request : http.request;
  }

  /**
   * Sends a request and receives the whole answer, whatever its status. Redirections are not followed.
   * @throws OfframpError CLOUD_UNREACHABLE (there was no connection), CONNECTION_LOST (there was, and it broke before the whole
   * answer was there), BUDGET_SPENT (the time is over), RESPONSE_INVALID (no HTTP, too large, or packed unasked), or the reason
   * of the signal.
   */
  send(call: Call): Promise<Reply> {
    const { signal, timeoutMs, parts = [] } = call;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const request = this.#request(this.#base, this.#requestOptions(call));
      const stop = (reason: unknown) => {
        settle(() => reject(reason));
        request.destroy();
      };
      const onAbort = () => stop(signal?.reason);
      const timer = setTimeout(() => stop(this.#late(timeoutMs)), timeoutMs);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      request.on('error', (error) => settle(() => reject(this.#failure(error))));
      request.on('response', (response) => {
        this.#receive(response).then((reply) => settle(() => resolve(reply)), stop);
      });
      for (const part of parts) request.write(part);
      request.end();
    });
  }

  /** Closes every connection; requests under way fail. */
  close(): void {
    this.#agent.destroy();
  }

  #requestOptions({ method, path, headers, parts = [] }: Call): http.RequestOptions {
    const { token } = this.#options;
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    return {
      agent: this.#agent,
      method,
      path: this.#base.pathname.replace(/\/$/, '') + path,
      headers: {
        ...headers,
        ...(method === 'POST' && { 'Content-Length': bytes }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
    };
  }

  #receive(response: http.IncomingMessage): Promise<Reply> {
    const { maxResponseBytes } = this.#options;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let received = 0;
      const tooLarge = () =>
        reject(
          this.#invalid(`an answer of more than ${maxResponseBytes} bytes, which are the most that are read`),
        );
      const coding = response.headers['content-encoding'] ?? 'identity';
      if (coding !== 'identity')
        reject(this.#invalid(`an answer packed as '${coding.slice(0, 32)}' unasked`));
      if (Number(response.headers['content-length'] ?? 0) > maxResponseBytes) tooLarge();
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > maxResponseBytes) tooLarge();
        else chunks.push(chunk);
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, chunks }),
      );
      response.on('error', (error) => reject(this.#failure(error)));
    });
  }

  #failure(error: NodeJS.ErrnoException): OfframpError {
    const { code } = error;
    // Where a name has several addresses, the error that sums up has no words.
    const reason = reasonOf(error) || String(code);
    if (typeof code === 'string' && code.startsWith('HPE_'))
      return this.#invalid(`no HTTP: ${reason}`, error);
    if (lostCodes.includes(code)) {
      const message = `The connection to ${this.origin} broke before the answer was there: ${reason}`;
      return new OfframpError('CONNECTION_LOST', message, { cause: error });
    }
    const message = `No connection to ${this.origin}: ${reason}`;
    return new OfframpError('CLOUD_UNREACHABLE', message, { cause: error });
  }

  #late(timeoutMs: number): OfframpError {
    return new OfframpError('BUDGET_SPENT', `${this.origin} gave no answer within ${timeoutMs} ms`);
  }

  #invalid(what: string, cause?: unknown): OfframpError {
    return new OfframpError('RESPONSE_INVALID', `${this.origin} gave ${what}`, { cause });
  }
}

function baseOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:') {
    throw new OfframpError(
      'CONFIG_INVALID',
      `Got the address '${url}', expected http://HOST:PORT or https://HOST:PORT`,
    );
  }
  if (base.username === '' && base.password === '' && base.search === '' && base.hash === '') return base;
  throw new OfframpError(
    'CONFIG_INVALID',
    `The address of ${base.origin} has more than a path behind the host; a token goes into a file of its own`,
  );
}
