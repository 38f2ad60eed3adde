import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { type ServerOptions, WebSocketServer } from 'ws';
import { systemClock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import {
  decodeImage,
  listenError,
  type PageSite,
  sentPictureResize,
  servePage,
  type TokenEntry,
} from '../shared/host/index.ts';
import { subprotocol } from '../shared/protocol/index.ts';
import type { LoadingRunner, WarmRun } from '../shared/runtime/index.ts';
import type { Tracer } from '../shared/trace/index.ts';
import type { Scheduler } from './batching/index.ts';
import { BundleRepository } from './bundle-repository.ts';
import { ConnectedDevices } from './connected-devices.ts';
import { type AssetSource, consolePage, consoleRoutes, Recorder } from './console/index.ts';
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
import { CloudMetrics } from './metrics.ts';
import { type AccessOptions, Perimeter } from './perimeter.ts';
import { type Decode, PictureDecoder } from './picture-decoder.ts';
import { batchingPolicies } from './policies.ts';
import { offramp } from './scheduling/index.ts';
import type { Secret, SecretsUser } from './secrets.ts';
import type { ServedBundle } from './served-bundle.ts';
import { ServedModels } from './served-models.ts';
import type { TlsMaterial } from './tls.ts';

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
/** How often tokens are looked at for having expired. */
const standingCheckMs = 1000;
/** What devices without work in flight get, in a drain, to leave by themselves. */
const lingerMs = 1000;

/** The cloud server: WebSocket protocol, health and metrics on one port. */
export class CloudServer implements SecretsUser {
  readonly #options: CloudOptions;
  readonly #engine: Engine;
  readonly #pictures: PictureDecoder;
  readonly #metrics: CloudMetrics;
  readonly #models: ServedModels;
  readonly #inference: InferenceApi;
  readonly #recorder = new Recorder(systemClock);
  readonly #devices: ConnectedDevices;
  readonly #wss: WebSocketServer;
  readonly #app: FastifyInstance;
  readonly #perimeter: Perimeter;
  readonly #admin: { readonly admin?: BundleRepository };
  readonly #standingCheck: NodeJS.Timeout;
  #draining = false;
  #url = '';

  private constructor(options: CloudOptions) {
    const { bundles, limits, runner, logger } = options;
    this.#options = options;
    const gauges = {
      load: () => this.#engine.load,
      undecodedRows: () => this.#pictures.undecodedRows,
      connections: () => this.#devices.size,
      alarmedDevices: () => this.#devices.alarmed,
      clientConnections: () => this.#perimeter.clientConnections,
      tlsExpiresAtMs: () => this.#perimeter.tls?.expiresAtMs,
    };
    this.#metrics = new CloudMetrics(runner.provider, gauges, this.#recorder);
    this.#perimeter = new Perimeter({
      ...options,
      draining: () => this.#draining,
      connections: () => this.#devices.size,
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
      onTakenOff: ({ digest }) => this.#devices.sendOn(digest),
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
    this.#devices = new ConnectedDevices({
      limits,
      onReceived: (bytes) => this.#metrics.onReceived(bytes),
      host: {
        serverName: `offramp/${options.version}`,
        shelf: this.#models.shelf,
        limits: { ...limits, ...this.#models.bounds },
        clock: systemClock,
        ...(options.tracer !== undefined && { tracer: options.tracer }),
        load: () => this.#engine.load,
        runsOf: (served) => this.#engine.runsOf(served),
        submit: (work) => this.#pictures.submit(work),
        onRefused: (code) => this.#metrics.onRefused(code),
        onAnswered: (bundle, seconds) => this.#metrics.onAnswered(bundle, 'device', seconds),
        onReady: (agent, client) => {
          logger.info({ agent, client, connections: this.#devices.size }, 'device connected');
        },
      },
    });
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
      onAnswered: (bundle, seconds) => this.#metrics.onAnswered(bundle, 'http', seconds),
      ...this.#admin,
    });
    this.#app = this.#routes();
    this.#standingCheck = setInterval(() => this.#devices.endRefused(), standingCheckMs);
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
    return this.#devices.endRefused();
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
    this.#devices.goAway('draining');
    const deadline = systemClock.now() + this.#options.limits.drainMs;
    const linger = systemClock.now() + Math.min(lingerMs, this.#options.limits.drainMs);
    const unfinished = () =>
      this.#inference.inFlight > 0 ||
      (this.#devices.size > 0 && (systemClock.now() < linger || this.#devices.inFlight > 0));
    while (unfinished() && systemClock.now() < deadline) {
      await new Promise<void>((resolve) => systemClock.schedule(10, resolve));
    }
    const lost = this.#inference.inFlight + this.#devices.inFlight;
    this.#inference.giveUp(new OfframpError('DRAINING', 'This server is stopping and could not wait longer'));
    await this.#app.close();
    return lost;
  }

  get #ready(): boolean {
    const { runner } = this.#options;
    return !this.#draining && runner.parallel > 0 && runner.problem === undefined;
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
      this.#devices.close(goingAway, 'server stopped');
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
        connections: () => this.#devices.size,
        devices: () => this.#devices.states,
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

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A peer may vanish between its request and our answer.
    socket.on('error', () => {});
    if (!this.#perimeter.admitUpgrade(request, socket)) return;
    this.#wss.handleUpgrade(request, socket, head, (upgraded) => {
      const address = this.#perimeter.addressOf(request);
      this.#devices.open({ socket: upgraded, address, authorise: this.#perimeter.authorise(socket) }, socket);
    });
  }

  #schemed(url: string): string {
    return this.#perimeter.tls === undefined ? url : url.replace(/^http:/, 'https:');
  }
}

const decodePicture: Decode = (file, shape) =>
  decodeImage(file, shape, sentPictureResize, { maxPixels: maxPicturePixels });
