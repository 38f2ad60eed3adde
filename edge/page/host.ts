import {
  type AgentEvent,
  type AgentSettings,
  type AgentStatus,
  type Answer,
  OfframpError,
  type PageProvider,
  type Problem,
  type SettingsInUse,
  startAgent,
  type WebAgent,
} from '../web/index.ts';
import { runtimeFolder, workerFile } from './build.ts';
import type { PageConfig, ServedBundle } from './config.ts';
import { LinkControl } from './link-control.ts';

export type Connection = 'none' | 'looking' | 'connected' | 'lost';

export interface HostState {
  readonly agent?: WebAgent;
  readonly connection: Connection;
  /** What the server says that it is. */
  readonly server?: string;
  readonly problem?: Problem;
  readonly settings?: SettingsInUse;
  /** What the agent's sessions got. */
  readonly runsOn?: Pick<AgentStatus, 'provider' | 'threads'>;
}

type ClassifyListener = NonNullable<Parameters<WebAgent['classify']>[1]>['onDevice'];

const tokenKey = 'offramp-token';

/** The agent of the page: one at a time, another one for another bundle or token. */
export class AgentHost {
  readonly link = new LinkControl();
  /** What the next start asks for. */
  provider: PageProvider = 'auto';
  readonly #config: PageConfig;
  readonly #onChange: (state: HostState) => void;
  #state: HostState = { connection: 'none' };
  /** Of the start that counts; an older one that ends later is closed. */
  #turn = 0;
  #changing: Promise<unknown> = Promise.resolve();
  #wanted: AgentSettings = {};

  constructor(config: PageConfig, onChange: (state: HostState) => void) {
    this.#config = config;
    this.#onChange = onChange;
  }

  get state(): HostState {
    return this.#state;
  }

  /** @throws OfframpError what {@link startAgent} does. */
  async start({ id }: ServedBundle): Promise<void> {
    const turn = ++this.#turn;
    const last = this.#state.agent;
    const { cloudUrls } = this.#config;
    this.#wanted = {};
    this.#set({ connection: cloudUrls.length > 0 ? 'looking' : 'none' });
    await last?.close();
    const token = sessionStorage.getItem(tokenKey);
    const agent = await startAgent({
      bundleUrl: `models/${id}/`,
      ...(cloudUrls.length > 0 && { cloudUrl: cloudUrls }),
      ...(token !== null && { token }),
      provider: this.provider,
      workerUrl: `${workerFile}#${this.link.name}`,
      wasmUrl: runtimeFolder,
    });
    if (turn !== this.#turn) return agent.close();
    agent.onEvent((event) => this.#onEvent(agent, event));
    const { settings, cloud, provider, threads } = await agent.status();
    const [server] = cloud?.servers.filter(({ connected }) => connected) ?? [];
    this.#set({
      ...{ agent, settings, runsOn: { provider, threads } },
      connection: cloud === undefined ? 'none' : server === undefined ? 'looking' : 'connected',
      ...(server?.server !== undefined && { server: server.server }),
    });
    if (server === undefined && this.#config.isKept) await this.#standAlone(agent);
  }

  useToken(token: string): void {
    sessionStorage.setItem(tokenKey, token);
  }

  forgetToken(): void {
    sessionStorage.removeItem(tokenKey);
  }

  /** @throws OfframpError what the agent does, RUNTIME_STOPPED while there is none. */
  classify(pixels: Uint8Array, onDevice?: ClassifyListener): Promise<Answer> {
    const { agent } = this.#state;
    if (agent === undefined) throw new OfframpError('RUNTIME_STOPPED', 'The agent of this page is not ready');
    return agent.classify(pixels, onDevice && { onDevice });
  }

  /** One change after the other; of several that wait the last one is made. */
  configure(change: AgentSettings): Promise<void> {
    this.#wanted = { ...this.#wanted, ...change };
    const made = this.#changing.then(() => this.#apply());
    this.#changing = made.catch(() => {});
    return made;
  }

  async #apply(): Promise<void> {
    const { agent } = this.#state;
    const wanted = this.#wanted;
    if (agent === undefined || Object.keys(wanted).length === 0) return;
    this.#wanted = {};
    const settings = await agent.configure(wanted);
    if (agent === this.#state.agent) this.#set({ ...this.#state, settings });
  }

  /** Without its server the page goes to the last layer by itself, where all segments can be had. */
  async #standAlone(agent: WebAgent): Promise<void> {
    try {
      await this.configure({ cut: agent.bundle.exits.length });
    } catch {
      // Then its first segment has to do.
    }
  }

  #onEvent(agent: WebAgent, event: AgentEvent): void {
    if (agent !== this.#state.agent) return;
    const { problem: _, server: __, ...rest } = this.#state;
    if (event.kind === 'connected') {
      this.#set({ ...rest, connection: 'connected', server: event.server });
      if (this.#state.settings?.cut !== 1) void this.configure({ cut: 1 });
    }
    if (event.kind === 'disconnected') this.#set({ ...rest, connection: 'lost', problem: event.problem });
  }

  #set(state: HostState): void {
    this.#state = state;
    this.#onChange(state);
  }
}
