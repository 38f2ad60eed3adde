import type { Library } from '../library.ts';
import type { Provider } from '../runner.ts';

/**
 * The package that has a provider. Only that one is loaded: the native one throws where it has no binary for the machine.
 * @param threads of each session, of which the WebAssembly package hears here and not from the session.
 */
export async function libraryOf(provider: Provider, threads: number): Promise<Library> {
  const library = provider === 'wasm' ? await wasmLibrary(threads) : await import('onnxruntime-node');
  // The provider probe logs every refusal in red; what it found is reported in words instead.
  library.env.logLevel = 'fatal';
  return library;
}

async function wasmLibrary(threads: number) {
  const library = await import('onnxruntime-web');
  library.env.wasm.numThreads = threads;
  return library;
}
