/** Put in by `scripts/build-page.mjs`. */
declare const pageWorker: string;
declare const pageRuntime: string;

/** The worker's script and the folder of onnxruntime's files, beside the page. */
export const workerFile: string = pageWorker;
export const runtimeFolder: string = pageRuntime;
