/** Where the segments of this page run: what it got, and a choice where the browser has more than one. */
import type { PageProvider } from '../web/index.ts';
import { element, setText } from './dom.ts';
import type { HostState } from './host.ts';
import { providerWords } from './words.ts';

export class ProviderControl {
  readonly #select = element('provider', HTMLSelectElement);

  constructor(onChoice: (provider: PageProvider) => void) {
    this.#select.addEventListener('change', () => onChoice(this.#choice));
  }

  /** Shows the choice where WebGPU can be had. */
  async offer(): Promise<void> {
    // Absent in browsers without, and in pages that came by plain HTTP from elsewhere.
    const gpu: GPU | undefined = navigator.gpu;
    const adapter = await gpu?.requestAdapter();
    element('provider-field', HTMLElement).hidden = !adapter;
  }

  show({ runsOn }: HostState): void {
    setText('provider-words', runsOn === undefined ? '' : providerWords(runsOn));
  }

  set choice(provider: PageProvider) {
    this.#select.value = provider;
  }

  get #choice(): PageProvider {
    return this.#select.value === 'webgpu' ? 'webgpu' : 'wasm';
  }
}
