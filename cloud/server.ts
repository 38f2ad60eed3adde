import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../shared/clock.ts';
import { type ErrorCode, OfframpError } from '../shared/errors.ts';
import {
  decodeImage,
  listenError,
  type PageSite,
  sentPictureResize,
  servePage,
  type TokenEntry,
} from '../shared/host/index.ts';
import { maxHeaderBytes, subprotocol } from '../shared/protocol/index.ts';
import type { LoadingRunner, WarmRun } from '../shared/runtime/index.ts';
import type { Tracer } from '../shared/trace/index.ts';
import type { Scheduler } from './batching/index.ts';
import { BundleRepository } from './bundle-repository.ts';
import { type AssetSource, consolePage, consoleRoutes, type DeviceState, Recorder } from './console/index.ts';
import { Engine } from './engine.ts';
import {
  countingObserver,
  describeRoutes,
  EngineHost,
  InferenceApi,
  Statistics,
  serverOperations,
} from './http/index.ts';
import type { CloudLimits } from './limits.ts';
import { watchMessages } from './message-watch.ts';
import { CloudMetrics } from './metrics.ts';
import { type AccessOptions, Perimeter } from './perimeter.ts';
import { type Decode, PictureDecoder } from './picture-decoder.ts';
import { batchingPolicies } from './policies.ts';
import { offramp } from './scheduling/index.ts';
import type { Secret, SecretsUser } from './secrets.ts';
import type { ServedBundle } from './served-bundle.ts';
import { ServedModels } from './served-models.ts';
import { Session, type SessionHost } from './session.ts';
import type { TlsMaterial } from './tls.ts';
import { attach, wsTransport } from './ws-transport.ts';

export interface CloudOptions extends AccessOptions {
  readonly host: string;
  /** 0 takes any free port; the one taken is in `url`. */
  readonly port: number;
  /** Served from the start. */
  readonly bundles: readonly ServedBundle[];
  /** Holds a folder for every bundle that administrators may have loaded, named by its id; absent: they may change nothing. */
  readonly repositoryFolder?: string | undefined;
  readonly runner: LoadingRunner;
  /** What the graphs took while they were warmed up. */
  readonly warmRuns?: readonly WarmRun[];
  /** Decides what runs next. */
  readonly scheduler?: Scheduler | undefined;
  /** Settings of bundles by id, see `batchingSchema`. */
  readonly batching?: Readonly<Record<string, unknown>> | undefined;
  readonly limits: CloudLimits;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Absent: no page is served. */
  readonly page?: PageSite | undefined;
  /** Files of the console's page. Absent: there is no console. */
  readonly consoleFiles?: AssetSource | undefined;
  /** Begins to stop the server, when an administrator asks for it. Absent: that is refused. */
  readonly onDrainAsked?: (() => void) | undefined;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
}

const goingAway = 1001;
/** Less than a device takes of its own user: here pictures of many devices are decoded at once. */
const maxPicturePixels = 16_000_000;
/** What a peer gets to answer the closing handshake before its socket is destroyed. */
const closeTimeoutMs = 2000;
/** Pieces of one message. A browser cuts a long one every 64 KiB or so. */
const maxFragments = 256;
/** Of the pieces in which a frame arrives from the network, the least that they may have on average. */
const leastMeanChunkBytes = 256;
/** A hello is a header, and what stands around it. */
const maxHelloBytes = maxHeaderBytes + 64;
/** How often tokens are looked at for having expired. */
const standingCheckMs = 1000;
/** What devices without work in flight get, in a drain, to leave by themselves. */
const lingerMs = 1000;

/** A connection of a device. */
interface Peer {
  readonly socket: WebSocket;
  /** Without the port. */
  readonly address: string;
}

/** The cloud server: WebSocket protocol, health and metrics on one port. */
export class CloudServer implements SecretsUser {
  readonly #options: CloudOptions;
  readonly #engine: Engine;
  readonly #pictures: PictureDecoder;
  readonly #metrics: CloudMetrics;
  readonly #models: ServedModels;
  readonly #inference: InferenceApi;
  readonly #recorder = new Recorder(systemClock);
  readonly #sessions = new Map<Session, Peer>();
  readonly #wss: WebSocketServer;
  readonly #app: FastifyInstance;
  readonly #host: Omit<SessionHost, 'authorise' | 'connection'>;
  readonly #perimeter: Perimeter;
  readonly #admin: { readonly admin?: BundleRepository };
  readonly #standingCheck: NodeJS.Timeout;
  #opened = 0;
  #draining = false;
  #url = '';

  private constructor(options: CloudOptions) {
    const { bundles, limits, runner, logger } = options;
    this.#options = options;
    const gauges = {
      load: () => this.#engine.load,
      undecodedRows: () => this.#pictures.undecodedRows,
      connections: () => this.#sessions.size,
      clientConnections: () => this.#perimeter.clientConnections,
      tlsExpiresAtMs: () => this.#perimeter.tls?.expiresAtMs,
    };
    this.#metrics = new CloudMetrics(runner.provider, gauges, this.#recorder);
    this.#perimeter = new Perimeter({
      ...options,
      draining: () => this.#draining,
      connections: () => this.#sessions.size,
      onRefused: (code) => this.#metrics.onRefused(code),
      onClientRows: (client, rows) => this.#metrics.onClientRows(client, rows),
      onRefusalLine: (line) => logger.warn(line, 'connections refused'),
    });
    const policyOf = batchingPolicies(options.batching ?? {}, limits);
    const statistics = new Statistics(Date.now);
    this.#engine = new Engine({
      ...{ runner, clock: systemClock, limits, policyOf },
      scheduler: options.scheduler ?? offramp({ executors: runner.parallel }),
      observer: countingObserver(this.#metrics, statistics),
    });
    for (const served of bundles) this.#engine.introduce(served, options.warmRuns ?? []);
    this.#models = new ServedModels({
      ...{ bundles, runner, limits, engine: this.#engine },
      onTakenOff: (served) => this.#sendOn(served),
    });
    this.#pictures = new PictureDecoder(this.#engine, decodePicture, systemClock, limits, this.#metrics);
    const { maxFrameBytes } = this.#models.bounds;
    // `closeTimeout` is missing in the types of ws.
    const socketOptions: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      maxPayload: maxFrameBytes,
      maxFragments,
      maxBufferedChunks: Math.max(1024, Math.ceil(maxFrameBytes / leastMeanChunkBytes)),
      perMessageDeflate: false,
      closeTimeout: closeTimeoutMs,
      // A device may offer others beside ours; without this ws takes the first.
      handleProtocols: () => subprotocol,
    };
    this.#wss = new WebSocketServer(socketOptions);
    this.#wss.on('wsClientError', ({ message }, socket) =>
      this.#perimeter.reject(socket, new OfframpError('REQUEST_INVALID', message)),
    );
    this.#host = {
      serverName: `offramp/${options.version}`,
      shelf: this.#models.shelf,
      limits: { ...limits, ...this.#models.bounds },
      clock: systemClock,
      ...(options.tracer !== undefined && { tracer: options.tracer }),
      load: () => this.#engine.load,
      runsOf: (served) => this.#engine.runsOf(served),
      submit: (work) => this.#pictures.submit(work),
      onRefused: (code) => this.#metrics.onRefused(code),
      onReady: (agent, client) => {
        logger.info({ agent, client, connections: this.#sessions.size }, 'device connected');
      },
    };
    this.#admin = this.#repository();
    this.#inference = new InferenceApi({
      ...{ limits, runner, statistics, policyOf, clock: systemClock, version: options.version },
      tracer: options.tracer,
      host: new EngineHost({ engine: this.#engine, policyOf }),
      models: () => this.#models.table,
      ready: () => this.#ready,
      draining: () => this.#draining,
      identify: (request, scope) => this.#perimeter.identify(request, scope),
      onRefused: (code) => this.#metrics.onRefused(code),
      ...this.#admin,
    });
    this.#app = this.#routes();
    this.#standingCheck = setInterval(() => this.#checkStanding(), standingCheckMs);
    this.#standingCheck.unref();
  }

  /**
   * Starts listening.
   * @throws OfframpError CONFIG_INVALID (no token off loopback), PORT_IN_USE.
   */
  static async start(options: CloudOptions): Promise<CloudServer> {
    const server = new CloudServer(options);
    server.#app.server.on('upgrade', (request, socket, head) => server.#upgrade(request, socket, head));
    try {
      const address = await server.#app.listen({
        ...{ host: options.host, port: options.port },
        listenTextResolver: (url) => `Server listening at ${server.#schemed(url)}`,
      });
      server.#url = server.#schemed(address);
    } catch (thrown) {
      clearInterval(server.#standingCheck);
      throw listenError(thrown, options.host, options.port);
    }
    return server;
  }

  /** Where it listens, for instance `http://127.0.0.1:8080`; devices connect to the same with `ws:`. */
  get url(): string {
    return this.#url;
  }

  /** Takes other tokens; connections of those that are gone are closed with UNAUTHORIZED. Returns how many. */
  replaceTokens(tokens: readonly TokenEntry[]): number {
    this.#perimeter.replaceTokens(tokens);
    return this.#checkStanding();
  }

  /** Serves new connections with another certificate; those that are open stay. */
  replaceTls(tls: TlsMaterial): void {
    this.#perimeter.replaceTls(tls);
  }

  /** Counts how reading something anew went. */
  onReload(what: Secret, outcome: 'done' | 'failed'): void {
    this.#metrics.onReload(what, outcome);
  }

  /**
   * Stops without losing a request: readiness turns false, devices are told to go elsewhere, what is in flight is answered,
   * and only then connections close. What is still unanswered after `drainMs` is given up; returns how many requests that were.
   */
  async drain(): Promise<number> {
    this.#draining = true;
    clearInterval(this.#standingCheck);
    for (const session of this.#sessions.keys()) session.goAway('draining');
    const deadline = systemClock.now() + this.#options.limits.drainMs;
    const linger = systemClock.now() + Math.min(lingerMs, this.#options.limits.drainMs);
    const unfinished = () =>
      this.#inference.inFlight > 0 ||
      (this.#sessions.size > 0 &&
        (systemClock.now() < linger || [...this.#sessions.keys()].some((session) => session.inFlight > 0)));
    while (unfinished() && systemClock.now() < deadline) {
      await new Promise<void>((resolve) => systemClock.schedule(10, resolve));
    }
    const lost = [...this.#sessions.keys()].reduce(
      (sum, session) => sum + session.inFlight,
      this.#inference.inFlight,
    );
    this.#inference.giveUp(new OfframpError('DRAINING', 'This server is stopping and could not wait longer'));
    await this.#app.close();
    return lost;
  }

  get #ready(): boolean {
    const { runner } = this.#options;
    return !this.#draining && runner.parallel > 0 && runner.problem === undefined;
  }

  /** Its devices look for another server, or hear at their next hello what is missing here. */
  #sendOn({ digest }: ServedBundle): void {
    for (const session of this.#sessions.keys()) {
      if (session.claims(digest)) session.goAway('bundle unloaded');
    }
  }

  #repository(): { readonly admin?: BundleRepository } {
    const { repositoryFolder: folder, logger } = this.#options;
    if (folder === undefined) return {};
    const admin = new BundleRepository({
      ...{ folder, logger, shelf: this.#models.shelf },
      refusal: () =>
        this.#draining
          ? new OfframpError('DRAINING', 'This server is stopping and changes nothing')
          : undefined,
      onChange: (verb, outcome) => this.#metrics.onRepositoryChange(verb, outcome),
    });
    return { admin };
  }

  #routes(): FastifyInstance {
    const { consoleFiles, logger, page, runner } = this.#options;
    const app = fastify({
      loggerInstance: logger,
      logController: new LogController({ disableRequestLogging: true }),
      bodyLimit: 1024,
      serverFactory: (handler) => this.#perimeter.createServer(handler),
      clientErrorHandler: (error, socket) => this.#perimeter.rejectRequest(error, socket),
    });
    // Before routes are described: pages are no part of the API.
    if (page !== undefined) {
      servePage(app, { site: page, admit: (headers) => this.#perimeter.strange(headers) });
    }
    if (consoleFiles !== undefined) {
      consolePage(app, consoleFiles, (headers) => this.#perimeter.strange(headers));
    }
    const document = describeRoutes(app, {
      version: this.#options.version,
      pathExamples: () => ({ model: this.#models.table.all[0]?.name ?? '', version: '1' }),
    });
    app.get('/openapi.json', { config: { operation: serverOperations.openApi } }, () => document());
    app.get('/livez', { config: { operation: serverOperations.live } }, () => ({ live: true }));
    app.get('/readyz', { config: { operation: serverOperations.ready } }, (_request, reply) => {
      reply.code(this.#ready ? 200 : 503);
      return {
        ready: this.#ready,
        provider: runner.provider,
        bundles: this.#models.shelf.all.map(({ id, digest }) => ({ id, digest })),
      };
    });
    app.get('/metrics', { config: { operation: serverOperations.metrics } }, async (_request, reply) => {
      reply.type(this.#metrics.registry.contentType);
      return this.#metrics.text();
    });
    this.#inference.register(app);
    if (consoleFiles !== undefined) this.#console(app);
    app.setNotFoundHandler((request, reply) => {
      reply.code(404);
      return {
        error: {
          code: 'NOT_FOUND',
          message: `No ${request.method} ${request.url} here; see docs/operating.md`,
        },
      };
    });
    // An open WebSocket keeps the HTTP server from closing.
    app.addHook('preClose', async () => {
      for (const { socket } of this.#sessions.values()) socket.close(goingAway, 'server stopped');
      this.#wss.close();
    });
    return app;
  }

  #console(app: FastifyInstance): void {
    const { limits, logger, onDrainAsked, runner, version } = this.#options;
    const { admin } = this.#admin;
    consoleRoutes(app, {
      sources: {
        ...{ recorder: this.#recorder, runner, limits, version },
        draining: () => this.#draining,
        load: () => this.#engine.load,
        undecodedRows: () => this.#pictures.undecodedRows,
        connections: () => this.#sessions.size,
        devices: () => this.#devices(),
        lanes: () => this.#engine.laneStates(),
        bundles: () => this.#models.shelf.states,
      },
      identify: (request, scope) => this.#perimeter.identify(request, scope),
      onRefused: (code) => this.#metrics.onRefused(code),
      available: admin && (() => admin.available()),
      onDrainAsked:
        onDrainAsked &&
        ((client) => {
          logger.warn({ client }, 'asked to stop');
          onDrainAsked();
        }),
      epochMs: Date.now,
    });
  }

  #devices(): DeviceState[] {
    const greeted = [...this.#sessions].filter(([{ client }]) => client !== undefined);
    return greeted.map(([session, { address }]) => {
      const { agent, bundles, client, credits, inFlight, tally } = session;
      return { agent, bundles, client: client?.name ?? '', credits, inFlight, tally, address };
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A peer may vanish between its request and our answer.
    socket.on('error', () => {});
    if (!this.#perimeter.admitUpgrade(request, socket)) return;
    this.#wss.handleUpgrade(request, socket, head, (upgraded) =>
      this.#open({ socket: upgraded, address: this.#perimeter.addressOf(request) }, socket),
    );
  }

  #open(peer: Peer, raw: Duplex): void {
    const { socket } = peer;
    const { limits } = this.#options;
    const connection = `connection ${++this.#opened}`;
    const host = { ...this.#host, connection, authorise: this.#perimeter.authorise(raw) };
    const session = new Session(host, wsTransport(socket));
    this.#sessions.set(session, peer);
    const events = {
      onMessage: (message: Uint8Array) => session.onMessage(message),
      onClose: () => {
        this.#sessions.delete(session);
        session.onClose();
      },
      onReceived: (bytes: number) => this.#metrics.onReceived(bytes),
      onFault: (code: ErrorCode) => session.fault(code),
    };
    attach(socket, raw, events, limits.heartbeatMs);
    watchMessages(raw, {
      ...{ clock: systemClock, messageTimeoutMs: limits.messageTimeoutMs },
      // What is longer than any message may be is found by ws.
      maxMessageBytes: () => (session.greeted ? this.#host.limits.maxFrameBytes : maxHelloBytes),
      maxFrameBytes: this.#host.limits.maxFrameBytes,
      onTrouble: (error) => {
        // The rest of the message stays with the peer.
        socket.pause();
        session.end(error);
      },
    });
  }

  /** Ends the connections whose token was taken away or has expired; returns how many. */
  #checkStanding(): number {
    let ended = 0;
    for (const session of this.#sessions.keys()) {
      const refusal = session.client?.refusal();
      if (refusal === undefined) continue;
      session.end(refusal);
      ended++;
    }
    return ended;
  }

  #schemed(url: string): string {
    return this.#perimeter.tls === undefined ? url : url.replace(/^http:/, 'https:');
  }
}

const decodePicture: Decode = (file, shape) =>
  decodeImage(file, shape, sentPictureResize, { maxPixels: maxPicturePixels });
