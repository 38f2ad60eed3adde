import type { PageImage, StartOptions, WebAgent } from './api.ts';
import type { StartOrder } from './messages.ts';
import { WorkerLink } from './worker-link.ts';

const usualWorker = './offramp-web-worker.js';

/**
 * Starts an agent in a worker of its own and waits until its segments are loaded, not until a server answers: until then images
 * are answered in the page.
 * @throws OfframpError CONFIG_INVALID, BUDGET_INVALID, BUNDLE_*, CUT_UNSUPPORTED, RATE_UNSUPPORTED, PROVIDER_UNAVAILABLE,
 * RUNTIME_FAILED when the worker's script cannot be loaded.
 */
export async function startAgent(options: StartOptions): Promise<WebAgent> {
  const workerUrl = new URL(options.workerUrl ?? new URL(usualWorker, import.meta.url), document.baseURI);
  const link = new WorkerLink(workerUrl);
  try {
    const bundle = await link.ask('start', startOrder(options, workerUrl));
    return {
      bundle,
      async classify(image, { onDevice, ...asked } = {}) {
        const own = ownImage(image);
        const order = { ...asked, image: own.image, tellsDevice: onDevice !== undefined };
        return link.ask('classify', order, { transfer: own.transfer, ...(onDevice && { onDevice }) });
      },
      configure: (settings) => link.ask('configure', settings),
      status: () => link.ask('status', undefined),
      onEvent: (listener) => link.onEvent(listener),
      close: () => link.close(),
    };
  } catch (thrown) {
    link.end();
    throw thrown;
  }
}

function startOrder(options: StartOptions, worker: URL): StartOrder {
  const { bundleUrl, cloudUrl = [], wasmUrl = new URL('./', worker), workerUrl: _, ...rest } = options;
  return {
    ...rest,
    bundleUrl: folder(bundleUrl),
    wasmUrl: folder(wasmUrl),
    cloudUrls: (typeof cloudUrl === 'string' ? [cloudUrl] : cloudUrl).map(cloudAddress),
  };
}

/** A worker does not know what an address is relative to. */
function folder(url: string | URL): string {
  const { href } = new URL(url, document.baseURI);
  return href.endsWith('/') ? href : `${href}/`;
}

function cloudAddress(url: string): string {
  return new URL(url, document.baseURI).href.replace(/^http/, 'ws');
}

/** What of an image is sent to the worker. Pixels may be a small part of a large buffer, and stay the caller's. */
function ownImage(image: PageImage): { readonly image: PageImage; readonly transfer: Transferable[] } {
  if (!(image instanceof Uint8Array) && !(image instanceof Uint8ClampedArray)) return { image, transfer: [] };
  const copy = new Uint8Array(image);
  return { image: copy, transfer: [copy.buffer] };
}
