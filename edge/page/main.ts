/** The page that shows where pictures are answered, and what that costs. */
import { OfframpError, type PageProvider } from '../web/index.ts';
import { AnswerView } from './answer-view.ts';
import { type PageConfig, readConfig, type ServedBundle } from './config.ts';
import { element, make, setText } from './dom.ts';
import { AgentHost, type HostState } from './host.ts';
import { BundleImages } from './images.ts';
import { Looker } from './looker.ts';
import { Notice } from './notice.ts';
import { keepBundle, keepPage } from './offline.ts';
import { PictureInput } from './picture-input.ts';
import { ProviderControl } from './provider-control.ts';
import { RunControl } from './run-control.ts';
import { SettingsView } from './settings-view.ts';
import { connectionWords, inputWords, withoutWebGpuWords } from './words.ts';

class Page {
  readonly #config: PageConfig;
  readonly #host: AgentHost;
  readonly #notice = new Notice();
  readonly #answer = new AnswerView();
  readonly #settings: SettingsView;
  readonly #provider = new ProviderControl((provider) => this.#startOn(provider));
  readonly #images: BundleImages;
  readonly #input: PictureInput;
  readonly #looker: Looker;
  readonly #run: RunControl;
  #bundle: ServedBundle;

  constructor(config: PageConfig, bundle: ServedBundle) {
    this.#config = config;
    this.#bundle = bundle;
    this.#host = new AgentHost(config, (state) => this.#onState(state));
    this.#images = new BundleImages(bundle);
    const parts = { host: this.#host, images: this.#images, notice: this.#notice };
    this.#input = new PictureInput(parts, {
      onPicture: () => this.#looker.look(),
      onClear: () => this.#answer.clear(),
    });
    this.#looker = new Looker({ ...parts, input: this.#input, answer: this.#answer });
    this.#run = new RunControl({ ...parts, onBegin: () => this.#input.endCamera() });
    this.#settings = new SettingsView({
      onSettings: (change) => void this.#configure(() => this.#host.configure(change)),
      onLink: (change) => this.#host.link.set(change),
    });
    this.#listenForToken();
    this.#offerBundles();
    setText(
      'about',
      `Offramp ${config.version}. The agent runs in this page: pictures stay here, only codes of hard ones travel.`,
    );
  }

  async start(): Promise<void> {
    const bundle = this.#bundle;
    this.#notice.hide();
    this.#run.stop();
    this.#images.use(bundle);
    this.#input.reset();
    this.#answer.clear();
    this.#enable('loading');
    setText('connection-words', `Loading ${bundle.title}`);
    try {
      await this.#host.start(bundle);
    } catch (thrown) {
      return this.#onFailedStart(thrown);
    }
    if (bundle !== this.#bundle) return;
    this.#enable('ready');
    void this.#provider.offer().catch(() => {});
    void keepBundle(bundle.id).catch(() => {});
  }

  async #startOn(provider: PageProvider): Promise<void> {
    this.#host.provider = provider;
    await this.start();
  }

  async #onFailedStart(thrown: unknown): Promise<void> {
    const { code, message } = OfframpError.from(thrown);
    if (this.#host.provider === 'webgpu' && code === 'PROVIDER_UNAVAILABLE') {
      this.#provider.choice = 'wasm';
      await this.#startOn('wasm');
      this.#notice.show(withoutWebGpuWords(message));
      return;
    }
    this.#notice.fault(thrown, () => this.start());
    setText('connection-words', 'Not running');
  }

  #onState(state: HostState): void {
    const { agent, connection, settings, problem } = state;
    element('connection', HTMLElement).dataset.state = connection;
    if (agent === undefined || settings === undefined) return;
    const { bundle } = agent;
    if (element('thoughts', HTMLElement).dataset.bundle !== bundle.digest) {
      element('thoughts', HTMLElement).dataset.bundle = bundle.digest;
      this.#answer.show(bundle);
      this.#input.pad.draws = bundle.inputShape[2] === 1;
    }
    const [threshold = 0] = settings.thresholds;
    this.#answer.setThreshold(threshold);
    this.#settings.show(bundle, settings, connection === 'none' ? 'alone' : 'cloud');
    this.#provider.show(state);
    const isAlone = settings.cut === bundle.exits.length;
    setText('connection-words', connectionWords(state, isAlone ? 'all-here' : 'first-here'));
    element('token-form', HTMLElement).hidden = problem?.code !== 'UNAUTHORIZED';
    setText('input-hint', inputWords(bundle));
  }

  #enable(state: 'loading' | 'ready'): void {
    for (const id of ['sample', 'choose', 'camera', 'clear', 'run']) {
      element(id, HTMLButtonElement).disabled = state === 'loading';
    }
    this.#run.offer(this.#bundle);
  }

  #offerBundles(): void {
    const select = element('bundle', HTMLSelectElement);
    const { bundles } = this.#config;
    element('bundle-label', HTMLElement).hidden = bundles.length < 2;
    for (const { id, title } of bundles) {
      const option = make('option', '', title);
      option.value = id;
      select.append(option);
    }
    select.addEventListener('change', () => {
      this.#bundle = bundles.find(({ id }) => id === select.value) ?? this.#bundle;
      void this.start();
    });
  }

  #listenForToken(): void {
    const form = element('token-form', HTMLFormElement);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#host.useToken(element('token', HTMLInputElement).value);
      form.hidden = true;
      void this.start();
    });
  }

  /** Makes a change, and looks again at what is there. */
  async #configure(change: () => Promise<void>): Promise<void> {
    try {
      await change();
      await this.#looker.look();
    } catch (thrown) {
      this.#notice.fault(thrown);
    }
  }
}

async function main(): Promise<void> {
  const notice = new Notice();
  try {
    const config = await readConfig();
    const [bundle] = config.bundles;
    if (bundle === undefined) throw new Error('no networks');
    void keepPage();
    await new Page(config, bundle).start();
  } catch {
    setText('connection-words', 'Not running');
    notice.show('The server of this page does not answer. Is it still running?', main);
  }
}

void main();
