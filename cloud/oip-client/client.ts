import { OfframpError } from '../../shared/errors.ts';
import { ChunkReader } from './chunks.ts';
import {
  checkedDocument,
  type DocumentCheck,
  documents,
  type ModelConfig,
  type ModelMetadata,
  type ModelStatistics,
  parseDocument,
  type RepositoryIndex,
  type ServerMetadata,
} from './documents.ts';
import { type Call, type ClientTls, Connections, type Reply } from './exchange.ts';
import { encodeInferRequest, type InferRequest, modelPath } from './infer-request.ts';
import { decodeInferResponse, type InferResponse } from './infer-response.ts';
import { refusalOf } from './refusal.ts';

export interface OipClientOptions {
  /** `http:` or `https:` address of the server, with a path where it is behind one: what comes before `/v2`. */
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** For `https:`; the authorities that Node knows are trusted when absent. */
  readonly tls?: ClientTls;
  /** Connections that are open at the same time; further requests wait for one. */
  readonly connections?: number;
  /** For a whole request, from the connection to the last byte of the answer, unless the call says otherwise. */
  readonly timeoutMs?: number;
  /** Bytes of the largest answer that is read. */
  readonly maxResponseBytes?: number;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the request; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface ModelOptions extends CallOptions {
  /** The server chooses when absent. */
  readonly version?: string;
}

const defaults = { connections: 8, timeoutMs: 30_000, maxResponseBytes: 64 * 1024 * 1024 };

/**
 * A client of the Open Inference Protocol v2 over HTTP with the binary tensor data extension, as Triton Inference Server, KServe,
 * MLServer, OpenVINO Model Server and our own cloud server speak it. The calls have the names of Triton's own clients.
 *
 * Every call rejects with an OfframpError: CLOUD_UNREACHABLE, CONNECTION_LOST, BUDGET_SPENT (no answer in time), RESPONSE_INVALID
 * (an answer that is not what was asked for), or what the status means: NOT_FOUND, UNAUTHORIZED, FORBIDDEN, REQUEST_INVALID,
 * REQUEST_TOO_LARGE, RATE_LIMITED, BUSY (503, with `retryAfterMs` where the server names it), NOT_SUPPORTED, RUNTIME_FAILED. The
 * message has the server's own words. Nothing is sent twice.
 */
export class OipClient {
  readonly #connections: Connections;
  readonly #timeoutMs: number;

  /** @throws OfframpError CONFIG_INVALID for an address that is none. */
  constructor(options: OipClientOptions) {
    const { url, token, tls, connections, maxResponseBytes } = { ...defaults, ...options };
    this.#timeoutMs = options.timeoutMs ?? defaults.timeoutMs;
    this.#connections = new Connections({ url, token, tls, connections, maxResponseBytes });
  }

  /** Scheme, host and port. */
  get origin(): string {
    return this.#connections.origin;
  }

  isServerLive(options: CallOptions = {}): Promise<boolean> {
    return this.#isTrue('/v2/health/live', 'live', options);
  }

  /** Whether the server takes inference requests. */
  isServerReady(options: CallOptions = {}): Promise<boolean> {
    return this.#isTrue('/v2/health/ready', 'ready', options);
  }

  isModelReady(model: string, options: ModelOptions = {}): Promise<boolean> {
    return this.#isTrue(`${modelPath(model, options.version)}/ready`, 'ready', options);
  }

  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#document({ method: 'GET', path: '/v2' }, documents.serverMetadata, options);
  }

  async modelMetadata(model: string, options: ModelOptions = {}): Promise<ModelMetadata> {
    const call = { method: 'GET', path: modelPath(model, options.version) } as const;
    const metadata = await this.#document(call, documents.modelMetadata, options);
    return ofModel(metadata, model);
  }

  /** The model configuration extension. */
  async modelConfig(model: string, options: ModelOptions = {}): Promise<ModelConfig> {
    const call = { method: 'GET', path: `${modelPath(model, options.version)}/config` } as const;
    const config = await this.#document(call, documents.modelConfig, options);
    return ofModel(config, model);
  }

  /** The statistics extension; of all models when none is named. */
  modelStatistics(model?: string, options: ModelOptions = {}): Promise<ModelStatistics> {
    const path = model === undefined ? '/v2/models/stats' : `${modelPath(model, options.version)}/stats`;
    return this.#document({ method: 'GET', path }, documents.modelStatistics, options);
  }

  /** The models that there are (model repository extension). */
  repositoryIndex(options: CallOptions & { readonly ready?: boolean } = {}): Promise<RepositoryIndex> {
    const { ready } = options;
    const body = new TextEncoder().encode(JSON.stringify(ready === undefined ? {} : { ready }));
    const headers = { 'Content-Type': 'application/json' };
    const call = { method: 'POST', path: '/v2/repository/index', headers, parts: [body] } as const;
    return this.#document(call, documents.repositoryIndex, options);
  }

  /**
   * Runs a model.
   * @throws OfframpError also TENSOR_INVALID for inputs that do not fit their own shapes: nothing is sent then. They must not
   * change before the call has ended.
   */
  async infer(request: InferRequest, options: CallOptions = {}): Promise<InferResponse> {
    const encoded = encodeInferRequest(request);
    const reply = await this.#ask({ method: 'POST', ...encoded }, options);
    return this.#read(() => {
      const length = reply.headers['inference-header-content-length'];
      const headerLength = Array.isArray(length) ? length.join(',') : length;
      return decodeInferResponse({ chunks: reply.chunks, headerLength }, request);
    }, encoded.path);
  }

  /** Closes its connections; calls under way fail. */
  close(): void {
    this.#connections.close();
  }

  async #isTrue(path: string, member: string, options: CallOptions): Promise<boolean> {
    const { status, chunks } = await this.#send({ method: 'GET', path }, options);
    return status === 200 && !denies(chunks, member);
  }

  async #document<T>(
    call: Omit<Call, 'timeoutMs'>,
    check: DocumentCheck<T>,
    options: CallOptions,
  ): Promise<T> {
    const { chunks } = await this.#ask(call, options);
    return this.#read(() => checkedDocument(check, parseDocument(joined(chunks))), call.path);
  }

  async #ask(call: Omit<Call, 'timeoutMs'>, options: CallOptions): Promise<Reply> {
    const reply = await this.#send(call, options);
    if (reply.status === 200) return reply;
    throw refusalOf(reply, `${call.method} ${this.origin}${call.path}`);
  }

  #send(call: Omit<Call, 'timeoutMs'>, { signal, timeoutMs = this.#timeoutMs }: CallOptions): Promise<Reply> {
    return this.#connections.send({ ...call, signal, timeoutMs });
  }

  /** Says whose answer it was that could not be read. */
  #read<T>(read: () => T, path: string): T {
    try {
      return read();
    } catch (thrown) {
      const { code, message } = OfframpError.from(thrown);
      throw new OfframpError(code, `${this.origin}${path}: ${message}`, { cause: thrown });
    }
  }
}

function ofModel<T extends { readonly name: string }>(document: T, model: string): T {
  if (document.name === model) return document;
  throw new OfframpError(
    'RESPONSE_INVALID',
    `Asked for the model '${model}', got '${document.name.slice(0, 200)}'`,
  );
}

/** Some servers say no in the body of a 200, and most say nothing at all. */
function denies(chunks: readonly Uint8Array[], member: string): boolean {
  try {
    const value: unknown = parseDocument(joined(chunks));
    return (
      typeof value === 'object' &&
      value !== null &&
      Object.entries(value).some(([name, is]) => name === member && is === false)
    );
  } catch {
    return false;
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const reader = new ChunkReader(chunks);
  const bytes = new Uint8Array(reader.left);
  reader.read(bytes);
  return bytes;
}
