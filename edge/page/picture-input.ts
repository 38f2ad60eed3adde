/** The ways by which a picture gets onto the pad: drawn, opened, dropped, pasted, seen by the camera, or one of the samples. */
import { Camera } from './camera.ts';
import { element } from './dom.ts';
import type { AgentHost } from './host.ts';
import type { BundleImages } from './images.ts';
import type { Notice } from './notice.ts';
import { Pad } from './pad.ts';
import { fileOf, readPicture } from './pictures.ts';
import { cameraWords, faultWords, notReadyWords } from './words.ts';

export interface PictureInputParts {
  readonly host: AgentHost;
  readonly images: BundleImages;
  readonly notice: Notice;
}

export interface PictureListeners {
  /** There is something new on the pad; done when it was looked at. */
  onPicture(): Promise<void>;
  onClear(): void;
}

/** While somebody draws it is looked at this often. */
const strokeEveryMs = 120;

export class PictureInput {
  readonly pad = new Pad((isDone) => this.#onStroke(isDone));
  readonly #parts: PictureInputParts;
  readonly #listeners: PictureListeners;
  readonly #camera = new Camera((frame) => {
    this.pad.showPicture(frame.picture, frame.width, frame.height);
    return this.#listeners.onPicture();
  });
  #file: File | undefined;
  #sample = 0;
  #strokeTimer = 0;

  constructor(parts: PictureInputParts, listeners: PictureListeners) {
    this.#parts = parts;
    this.#listeners = listeners;
    this.#listen();
  }

  /** The file that is shown, if it is one. */
  get file(): File | undefined {
    return this.#file;
  }

  /** Height, width, channels of the network in use; nothing while there is none. */
  get shape(): readonly number[] {
    return this.#parts.host.state.agent?.bundle.inputShape ?? [];
  }

  /** Begins anew, for another network. */
  reset(): void {
    this.endCamera();
    this.#sample = 0;
    this.#file = undefined;
    this.pad.clear();
  }

  endCamera(): void {
    this.#camera.stop();
    const button = element('camera', HTMLButtonElement);
    button.textContent = 'Camera';
    button.setAttribute('aria-pressed', 'false');
  }

  #listen(): void {
    const onClick = (id: string, action: () => unknown) =>
      element(id, HTMLButtonElement).addEventListener('click', action);
    const file = element('file', HTMLInputElement);
    onClick('sample', () => this.#showSample());
    onClick('choose', () => file.click());
    onClick('camera', () => this.#switchCamera());
    onClick('clear', () => this.#clear());
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      if (chosen !== undefined) void this.#showFile(chosen);
      // The same file may be chosen again.
      file.value = '';
    });
    document.addEventListener('paste', (event) => {
      if (!(event.target instanceof HTMLInputElement)) void this.#showFile(fileOf(event.clipboardData));
    });
    this.#listenForDrops();
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

  /** @param file absent where something was dropped or pasted that has none, such as text. */
  async #showFile(file: File | undefined): Promise<void> {
    const { host, notice } = this.#parts;
    if (host.state.agent === undefined) return notice.show(notReadyWords);
    if (file === undefined) return notice.show(faultWords('IMAGE_INVALID', ''));
    notice.hide();
    try {
      const bitmap = await readPicture(file);
      this.endCamera();
      this.pad.showPicture(bitmap, bitmap.width, bitmap.height);
      bitmap.close();
      this.#file = file;
      await this.#listeners.onPicture();
    } catch (thrown) {
      notice.fault(thrown);
    }
  }

  async #showSample(): Promise<void> {
    this.endCamera();
    try {
      const images = await this.#parts.images.row();
      this.#file = undefined;
      this.pad.showPixels(images.image(this.#sample++ % images.count), this.shape);
      await this.#listeners.onPicture();
    } catch (thrown) {
      this.#parts.notice.fault(thrown);
    }
  }

  #clear(): void {
    this.endCamera();
    this.#file = undefined;
    this.pad.clear();
    this.#listeners.onClear();
  }

  async #switchCamera(): Promise<void> {
    if (this.#camera.isOn) return this.endCamera();
    const { notice } = this.#parts;
    notice.hide();
    try {
      await this.#camera.start();
      this.#file = undefined;
      const button = element('camera', HTMLButtonElement);
      button.textContent = 'Stop the camera';
      button.setAttribute('aria-pressed', 'true');
    } catch (thrown) {
      notice.show(cameraWords(thrown instanceof DOMException ? thrown.name : 'unknown'));
    }
  }

  #onStroke(isDone: boolean): void {
    this.#file = undefined;
    if (isDone) {
      clearTimeout(this.#strokeTimer);
      this.#strokeTimer = 0;
      void this.#listeners.onPicture();
      return;
    }
    if (this.#strokeTimer !== 0) return;
    this.#strokeTimer = window.setTimeout(() => {
      this.#strokeTimer = 0;
      void this.#listeners.onPicture();
    }, strokeEveryMs);
  }
}
