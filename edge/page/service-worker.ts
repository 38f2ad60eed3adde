/** Keeps the page, onnxruntime and the networks that were used, so that the page opens and answers without its server. */
import { keptHeader } from './config.ts';
import type { KeepOrder } from './offline.ts';

/** Put in by `scripts/build-page.mjs`: changes with any file of the page. */
declare const shellName: string;
declare const shellFiles: readonly string[];
/** What few visitors need: kept when it was used. */
declare const laterFiles: readonly string[];

/** What of a service worker is used; the library of types for pages has none of it. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface WorkerFetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface KeepEvent extends ExtendableEvent {
  readonly data: KeepOrder;
  readonly ports: readonly MessagePort[];
}
interface ServiceWorkerScope {
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
  skipWaiting(): Promise<void>;
  addEventListener(kind: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(kind: 'fetch', listener: (event: WorkerFetchEvent) => void): void;
  addEventListener(kind: 'message', listener: (event: KeepEvent) => void): void;
}

// It runs in such a scope and in no other.
const worker = self as unknown as ServiceWorkerScope;
const bundlesName = 'bundles';
const patienceMs = 4000;

worker.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(shellName)
      .then((cache) => cache.addAll(shellFiles))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener('activate', (event) => {
  const outdated = async () => {
    const names = (await caches.keys()).filter((name) => name !== shellName && name !== bundlesName);
    await Promise.all(names.map((name) => caches.delete(name)));
    await worker.clients.claim();
  };
  event.waitUntil(outdated());
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== worker.location.origin) return;
  const isOf = (files: readonly string[]) =>
    files.some((file) => file !== './' && new URL(file, worker.location.href).href === url.href);
  if (isOf(shellFiles)) event.respondWith(keptFirst(request));
  else event.respondWith(isOf(laterFiles) ? keptOnceUsed(request) : serverFirst(request));
});

worker.addEventListener('message', (event) => {
  const [port] = event.ports;
  const keep = async () => {
    const cache = await caches.open(bundlesName);
    const missing: string[] = [];
    for (const file of event.data.keep) {
      if ((await cache.match(new URL(file, worker.location.href))) === undefined) missing.push(file);
    }
    await cache.addAll(missing);
  };
  event.waitUntil(
    keep().then(
      () => port?.postMessage('kept'),
      () => port?.postMessage('failed'),
    ),
  );
});

/** Names of the page's own files change with their content. */
async function keptFirst(request: Request): Promise<Response> {
  return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}

async function keptOnceUsed(request: Request): Promise<Response> {
  const response = await keptFirst(request);
  const cache = await caches.open(shellName);
  if (response.ok && (await cache.match(request)) === undefined) await cache.put(request, response.clone());
  return response;
}

/** What may have changed comes from the server while there is one, and is kept. */
async function serverFirst(request: Request): Promise<Response> {
  try {
    const response = await fetchSoon(request);
    if (response.ok) {
      const cache = await caches.open(request.mode === 'navigate' ? shellName : bundlesName);
      await cache.put(request.mode === 'navigate' ? './' : request, response.clone());
    }
    return response;
  } catch (thrown) {
    const kept = await caches.match(request.mode === 'navigate' ? './' : request, { ignoreSearch: true });
    if (kept === undefined) throw thrown;
    const headers = new Headers(kept.headers);
    headers.set(keptHeader, '1');
    return new Response(kept.body, { status: kept.status, headers });
  }
}

/** Gives up when no answer has begun; one that has may take its time. */
async function fetchSoon(request: Request): Promise<Response> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), patienceMs);
  try {
    return await fetch(request, { signal: patience.signal });
  } finally {
    clearTimeout(timer);
  }
}
