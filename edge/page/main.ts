/** The page that shows where pictures are answered, and what that costs. */
import { OfframpError } from '../web/index.ts';
import { AnswerView } from './answer-view.ts';
import { Camera } from './camera.ts';
import { type ImageRow, type PageConfig, readConfig, readImages, type ServedBundle } from './config.ts';
import { element, make, setText } from './dom.ts';
import { AgentHost, type HostState } from './host.ts';
import { Notice } from './notice.ts';
import { keepBundle, keepPage } from './offline.ts';
import { Pad } from './pad.ts';
import { fileOf, pictureCost, readPicture } from './pictures.ts';
import { runImages } from './run.ts';
import { RunView, sayRun } from './run-view.ts';
import { SettingsView } from './settings-view.ts';
import { cameraWords, connectionWords, faultWords } from './words.ts';

/** While somebody draws it is looked at this often. */
const strokeEveryMs = 120;

class Page {
  readonly #config: PageConfig;
  readonly #host: AgentHost;
  readonly #notice = new Notice();
  readonly #answer = new AnswerView();
  readonly #settings: SettingsView;
  readonly #pad = new Pad((isDone) => this.#onStroke(isDone));
  readonly #camera = new Camera((frame) => {
    this.#pad.showPicture(frame.picture, frame.width, frame.height);
    return this.#classify();
  });
  readonly #runView = new RunView();
  #bundle: ServedBundle;
  /** The file that is shown, if it is one. */
  #file: File | undefined;
  #images: Promise<ImageRow> | undefined;
  #sample = 0;
  #isBusy = false;
  /** Whether there is something newer to look at. */
  #isDue = false;
  #strokeTimer = 0;
  #run: AbortController | undefined;

  constructor(config: PageConfig, bundle: ServedBundle) {
    this.#config = config;
    this.#bundle = bundle;
    this.#host = new AgentHost(config, (state) => this.#onState(state));
    this.#settings = new SettingsView({
      onSettings: (change) => void this.#configure(() => this.#host.configure(change)),
      onLink: (change) => this.#host.link.set(change),
    });
    this.#listen();
    this.#offerBundles();
    setText(
      'about',
      `Offramp ${config.version}. The agent runs in this page: pictures stay here, only codes of hard ones travel.`,
    );
  }

  async start(): Promise<void> {
    const bundle = this.#bundle;
    this.#notice.hide();
    this.#images = undefined;
    this.#sample = 0;
    this.#pad.clear();
    this.#answer.clear();
    this.#enable(false);
    setText('connection-words', `Loading ${bundle.title}`);
    try {
      await this.#host.start(bundle);
    } catch (thrown) {
      this.#fault(thrown, () => this.start());
      setText('connection-words', 'Not running');
      return;
    }
    if (bundle !== this.#bundle) return;
    this.#enable(true);
    void keepBundle(bundle.id).catch(() => {});
  }

  #onState(state: HostState): void {
    const { agent, connection, settings, problem } = state;
    element('connection', HTMLElement).dataset.state = connection;
    if (agent === undefined || settings === undefined) return;
    const { bundle } = agent;
    if (element('thoughts', HTMLElement).dataset.bundle !== bundle.digest) {
      element('thoughts', HTMLElement).dataset.bundle = bundle.digest;
      this.#answer.show(bundle);
      this.#pad.draws = bundle.inputShape[2] === 1;
    }
    const [threshold = 0] = settings.thresholds;
    this.#answer.setThreshold(threshold);
    this.#settings.show(bundle, settings, connection === 'none' ? 'alone' : 'cloud');
    const isAlone = settings.cut === bundle.exits.length;
    setText('connection-words', connectionWords(state, isAlone ? 'all-here' : 'first-here'));
    element('token-form', HTMLElement).hidden = problem?.code !== 'UNAUTHORIZED';
    const inputHint =
      bundle.inputShape[2] === 1
        ? 'Draw with mouse, finger or pen; with the keyboard: arrows move the pen, Shift and arrows draw. A picture can be pasted or dropped.'
        : `This network knows: ${bundle.classes.join(', ')}. A picture can be pasted or dropped.`;
    setText('input-hint', inputHint);
  }

  #enable(isReady: boolean): void {
    for (const id of ['sample', 'choose', 'camera', 'clear', 'run']) {
      element(id, HTMLButtonElement).disabled = !isReady;
    }
    const { images } = this.#bundle;
    const button = element('run', HTMLButtonElement);
    button.hidden = images === undefined;
    button.textContent = `Run ${images?.count ?? 0} images`;
    setText('run-source', images === undefined ? '' : `Images: ${images.source}.`);
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
      this.#camera.stop();
      this.#onCameraEnd();
      this.#run?.abort();
      this.#bundle = bundles.find(({ id }) => id === select.value) ?? this.#bundle;
      void this.start();
    });
  }

  #listen(): void {
    const onClick = (id: string, action: () => unknown) =>
      element(id, HTMLButtonElement).addEventListener('click', action);
    const file = element('file', HTMLInputElement);
    onClick('sample', () => this.#showSample());
    onClick('choose', () => file.click());
    onClick('camera', () => this.#switchCamera());
    onClick('clear', () => this.#clear());
    onClick('run', () => this.#startRun());
    file.addEventListener('change', () => {
      void this.#showFile(file.files?.[0]);
      // The same file may be chosen again.
      file.value = '';
    });
    document.addEventListener('paste', (event) => {
      if (!(event.target instanceof HTMLInputElement)) void this.#showFile(fileOf(event.clipboardData));
    });
    this.#listenForDrops();
    const form = element('token-form', HTMLFormElement);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#host.useToken(element('token', HTMLInputElement).value);
      form.hidden = true;
      void this.start();
    });
  }

  #listenForDrops(): void {
    const stage = element('stage', HTMLElement);
    const over = (isOver: boolean) => stage.classList.toggle('over', isOver);
    // Anywhere: a browser would else open the file in place of the page.
    document.addEventListener('dragover', (event) => {
      event.preventDefault();
      over(true);
    });
    document.addEventListener('dragleave', () => over(false));
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      over(false);
      void this.#showFile(fileOf(event.dataTransfer));
    });
  }

  async #showFile(file: File | undefined): Promise<void> {
    if (file === undefined || this.#host.state.agent === undefined) return;
    this.#notice.hide();
    try {
      const bitmap = await readPicture(file);
      this.#endCamera();
      this.#pad.showPicture(bitmap, bitmap.width, bitmap.height);
      bitmap.close();
      this.#file = file;
      await this.#classify();
    } catch (thrown) {
      this.#fault(thrown);
    }
  }

  async #showSample(): Promise<void> {
    this.#endCamera();
    try {
      this.#images ??= readImages(this.#bundle);
      const images = await this.#images;
      this.#file = undefined;
      this.#pad.showPixels(images.image(this.#sample++ % images.count), this.#shape);
      await this.#classify();
    } catch (thrown) {
      this.#images = undefined;
      this.#fault(thrown);
    }
  }

  #clear(): void {
    this.#endCamera();
    this.#file = undefined;
    this.#pad.clear();
    this.#answer.clear();
  }

  async #switchCamera(): Promise<void> {
    if (this.#camera.isOn) return this.#endCamera();
    this.#notice.hide();
    try {
      await this.#camera.start();
      this.#file = undefined;
      const button = element('camera', HTMLButtonElement);
      button.textContent = 'Stop the camera';
      button.setAttribute('aria-pressed', 'true');
    } catch (thrown) {
      this.#notice.show(cameraWords(thrown instanceof DOMException ? thrown.name : 'unknown'));
    }
  }

  #endCamera(): void {
    this.#camera.stop();
    this.#onCameraEnd();
  }

  #onCameraEnd(): void {
    const button = element('camera', HTMLButtonElement);
    button.textContent = 'Camera';
    button.setAttribute('aria-pressed', 'false');
  }

  #onStroke(isDone: boolean): void {
    this.#file = undefined;
    if (isDone) {
      clearTimeout(this.#strokeTimer);
      this.#strokeTimer = 0;
      void this.#classify();
      return;
    }
    if (this.#strokeTimer !== 0) return;
    this.#strokeTimer = window.setTimeout(() => {
      this.#strokeTimer = 0;
      void this.#classify();
    }, strokeEveryMs);
  }

  get #shape(): readonly number[] {
    return this.#host.state.agent?.bundle.inputShape ?? [];
  }

  /** Looks at what is on the pad. While one answer is waited for, only the newest picture waits behind it. */
  async #classify(): Promise<void> {
    this.#isDue = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#isDue) {
        this.#isDue = false;
        await this.#look();
      }
    } catch (thrown) {
      this.#fault(thrown);
    } finally {
      this.#isBusy = false;
    }
  }

  async #look(): Promise<void> {
    const beganMs = performance.now();
    const shape = this.#shape;
    const seen = this.#pad.pixels(shape);
    if (seen === undefined) return;
    const prepareMs = performance.now() - beganMs;
    const file = this.#file;
    const answer = await this.#host.classify(seen.pixels, (device) => this.#answer.onDevice(device));
    const totalMs = performance.now() - beganMs;
    if (this.#pad.isEmpty) return;
    this.#answer.onAnswer(answer, { prepareMs, totalMs });
    this.#answer.setCost(answer, await pictureCost(seen.canvas, shape[2] ?? 0, file));
  }

  /** Makes a change, and looks again at what is there. */
  async #configure(change: () => Promise<void>): Promise<void> {
    try {
      await change();
      await this.#classify();
    } catch (thrown) {
      this.#fault(thrown);
    }
  }

  async #startRun(): Promise<void> {
    if (this.#run !== undefined) return this.#run.abort();
    const run = new AbortController();
    this.#run = run;
    this.#endCamera();
    const button = element('run', HTMLButtonElement);
    button.textContent = 'Stop';
    try {
      this.#images ??= readImages(this.#bundle);
      const images = await this.#images;
      sayRun(`Running ${images.count} images.`);
      await this.#runView.begin(images.count);
      const beganMs = performance.now();
      const figures = await runImages({
        images,
        classify: (image) => this.#host.classify(image),
        onFigures: (now) => this.#runView.add(now),
        signal: run.signal,
      });
      this.#runView.end(figures);
      const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
      sayRun(`${run.signal.aborted ? 'Stopped after' : 'Ran'} ${figures.images} images in ${seconds} s.`);
    } catch (thrown) {
      sayRun('The run ended early.');
      this.#images = undefined;
      this.#fault(thrown);
    } finally {
      this.#run = undefined;
      button.textContent = `Run ${this.#bundle.images?.count ?? 0} images`;
    }
  }

  #fault(thrown: unknown, retry?: () => unknown): void {
    const { code, message } = OfframpError.from(thrown);
    // Whoever has begun another start knows.
    if (code === 'RUNTIME_STOPPED') return;
    this.#notice.show(faultWords(code, message), retry);
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
