import type { LibraryOf } from '../library.ts';

/**
 * onnxruntime for a page.
 * @param folderUrl where `ort-wasm-simd-threaded.mjs` and `.wasm` are served from, with the slash at its end, and for WebGPU
 * `ort.webgpu.min.mjs` and `ort-wasm-simd-threaded.asyncify.mjs` and `.wasm`.
 */
export function webLibrary(folderUrl: string): LibraryOf {
  return async (provider, threads) => {
    const ort = provider === 'webgpu' ? await webGpuEntry(folderUrl) : await wasmEntry();
    ort.env.logLevel = 'fatal';
    ort.env.wasm.wasmPaths = folderUrl;
    ort.env.wasm.numThreads = threads;
    return ort;
  };
}

/** Not before somebody computes, and in a file of its own where a build makes several. */
function wasmEntry() {
  return import('onnxruntime-web/wasm');
}

type WebGpuEntry = typeof import('onnxruntime-web/webgpu');

/** From beside its WebAssembly and in no script of ours, so that whoever does not use it loads nothing of it. */
async function webGpuEntry(folderUrl: string): Promise<WebGpuEntry> {
  // Absent in browsers without, and in pages that came by plain HTTP from elsewhere.
  const gpu: GPU | undefined = navigator.gpu;
  // Asked before: without an adapter its 27 MB would be loaded for nothing.
  const adapter = await gpu?.requestAdapter();
  if (!adapter) throw new Error('this browser offers no adapter here');
  return import(`${folderUrl}ort.webgpu.min.mjs`);
}
