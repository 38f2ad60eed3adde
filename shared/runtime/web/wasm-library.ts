import type { LibraryOf } from '../library.ts';

/**
 * onnxruntime's WebAssembly for a page.
 * @param folderUrl where `ort-wasm-simd-threaded.mjs` and `.wasm` are served from, with the slash at its end.
 */
export function wasmLibrary(folderUrl: string): LibraryOf {
  return async (_provider, threads) => {
    // Not before somebody computes, and in a file of its own where a build makes several.
    const ort = await import('onnxruntime-web/wasm');
    ort.env.logLevel = 'fatal';
    ort.env.wasm.wasmPaths = folderUrl;
    ort.env.wasm.numThreads = threads;
    return ort;
  };
}
