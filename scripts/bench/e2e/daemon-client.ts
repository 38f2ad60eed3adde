import { Agent, type IncomingMessage, request } from 'node:http';
import { OfframpError } from '../../../shared/errors.ts';

/** What a daemon said, and when the last byte of it was there (`performance.now()`). */
export interface DaemonReply {
  readonly status: number;
  readonly body: string;
  readonly endedAtMs: number;
}

/** A caller of one daemon by its Unix socket, over connections that stay. */
export class DaemonClient {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Posts a WebP file. @throws OfframpError INTERNAL when nothing has come by then, or the connection breaks. */
  classify(file: Uint8Array, limitMs: number): Promise<DaemonReply> {
    const headers = { 'content-type': 'image/webp', 'content-length': file.length };
    return this.#send({ method: 'POST', path: '/v1/classify', headers }, limitMs, file);
  }

  async metrics(): Promise<string> {
    return (await this.#send({ method: 'GET', path: '/metrics' }, metricsDeadlineMs)).body;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(
    options: {
      readonly method: string;
      readonly path: string;
      readonly headers?: Record<string, string | number>;
    },
    limitMs: number,
    body?: Uint8Array,
  ): Promise<DaemonReply> {
    return new Promise((resolve, reject) => {
      const { method, path } = options;
      const fail = (why: string) => {
        clearTimeout(timer);
        reject(new OfframpError('INTERNAL', `${method} ${path}: ${why}`));
      };
      const asked = request({ ...options, agent: this.#agent, socketPath: this.#socketPath }, (response) =>
        readWhole(response, (reply) => {
          clearTimeout(timer);
          resolve(reply);
        }),
      );
      const timer = setTimeout(
        () => asked.destroy(new Error(`nothing within ${Math.round(limitMs)} ms`)),
        limitMs,
      );
      asked.on('error', (error) => fail(error.message));
      asked.on('close', () => fail('the connection ended before the answer did'));
      asked.end(body);
    });
  }
}

const metricsDeadlineMs = 10_000;

function readWhole(response: IncomingMessage, done: (reply: DaemonReply) => void): void {
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('end', () => {
    const endedAtMs = performance.now();
    done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), endedAtMs });
  });
}

/** Sum of a metric over all its labels, of Prometheus's text. */
export function metricSum(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
