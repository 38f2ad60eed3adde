/** onnxruntime's files for pages, which are copied as they are. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const { resolve } = createRequire(import.meta.url);
const folder = dirname(resolve('onnxruntime-web/ort-wasm-simd-threaded.mjs'));

const inFolder = (names) => names.map((name) => ({ name, path: join(folder, name) }));

/** What every page with an agent needs. */
export const wasmFiles = inFolder(['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm']);

/** What a page needs besides that asks for WebGPU; it is loaded when it does. */
export const webGpuFiles = inFolder([
  'ort-wasm-simd-threaded.asyncify.mjs',
  'ort-wasm-simd-threaded.asyncify.wasm',
  'ort.webgpu.min.mjs',
]);
