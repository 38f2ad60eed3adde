/** Keeps the page for when its server is gone. */
import { setText } from './dom.ts';

/** Asks the service worker to keep files, of the page's own place. */
export interface KeepOrder {
  readonly keep: readonly string[];
}

/** Saving the whole network is for later: what is looked at comes first. */
const patienceMs = 1500;

/** Takes the page itself into the service worker's care. Without one it works as well, while its server does. */
export async function keepPage(): Promise<void> {
  // Absent in pages that came by plain HTTP from elsewhere.
  const workers: ServiceWorkerContainer | undefined = navigator.serviceWorker;
  if (workers === undefined) return;
  try {
    await workers.register('service-worker.js');
  } catch {
    setText('kept', 'This browser does not keep the page for offline use.');
  }
}

/** Has the network's segments kept too, all of them: without its server the page runs them itself. */
export async function keepBundle(id: string): Promise<void> {
  const workers: ServiceWorkerContainer | undefined = navigator.serviceWorker;
  if (workers === undefined) return;
  await new Promise((resolve) => setTimeout(resolve, patienceMs));
  const folder = `models/${id}/`;
  const manifest = (await (await fetch(`${folder}manifest.json`)).json()) as {
    readonly segments: readonly { readonly file: string }[];
    readonly cuts: readonly { readonly tables?: { readonly file: string } }[];
  };
  const files = [...manifest.segments, ...manifest.cuts.flatMap(({ tables }) => tables ?? [])];
  const keep = [
    'config.json',
    `images/${id}`,
    ...['manifest.json', ...files.map(({ file }) => file)].map((name) => folder + name),
  ];
  const { active } = await workers.ready;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => setText('kept', data === 'kept' ? 'Kept for offline use.' : '');
  active?.postMessage({ keep } satisfies KeepOrder, [port2]);
}
