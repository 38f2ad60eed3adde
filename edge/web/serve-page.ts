import { OfframpError } from '../../shared/errors.ts';
import type { SegmentGraph } from '../../shared/runtime/index.ts';
import { type LibraryOf, startWebRunner, threadsFor } from '../../shared/runtime/web/index.ts';
import { bundleAt } from './fetch-bundle.ts';
import { HostedAgent, type HostedRuntime } from './hosted-agent.ts';
import {
  type AskKind,
  type Asks,
  errorParts,
  type FromWorker,
  type StartOrder,
  type ToWorker,
} from './messages.ts';
import { providersOf } from './settings.ts';
import type { OpenSocket } from './web-dial.ts';

/** What a kind of worker computes with. */
export interface WorkerRuntime {
  /** @param folderUrl where onnxruntime's files are. */
  readonly library: (folderUrl: string) => LibraryOf;
  /** Absent: the browser's own sockets. */
  readonly open?: OpenSocket;
}

/** Makes this worker the agent of the page that has started it. */
export function servePage(runtime: WorkerRuntime): void {
  let hosted: HostedAgent | undefined;
  const running = (): HostedAgent => {
    if (hosted !== undefined) return hosted;
    throw new OfframpError('RUNTIME_STOPPED', 'The agent of this page does not run');
  };
  const obey = async (asked: ToWorker): Promise<Asks[AskKind]['answer']> => {
    switch (asked.kind) {
      case 'start':
        hosted = await start(asked.order, runtime);
        return hosted.bundle;
      case 'classify':
        return running().classify(asked.order, (device) => post({ kind: 'device', job: asked.job, device }));
      case 'configure':
        return running().configure(asked.order);
      case 'status':
        return running().status();
      case 'close':
        await hosted?.close();
        return undefined;
    }
  };
  self.addEventListener('message', async ({ data }: MessageEvent<ToWorker>) => {
    const { job } = data;
    try {
      post({ kind: 'done', job, answer: await obey(data) });
    } catch (thrown) {
      post({ kind: 'failed', job, error: errorParts(thrown) });
    }
  });
}

function start(order: StartOrder, { library, open }: WorkerRuntime): Promise<HostedAgent> {
  const facts = { isIsolated: self.crossOriginIsolated, cores: navigator.hardwareConcurrency };
  const threads = threadsFor(order.threads, facts);
  const providers = providersOf(order.provider);
  const startRuntime = async (
    graphs: readonly SegmentGraph[],
    maxQueuedRuns: number,
  ): Promise<HostedRuntime> => {
    const init = { graphs, providers, threads, maxQueuedRuns };
    return { runner: await startWebRunner({ ...init, library: library(order.wasmUrl) }), threads };
  };
  return HostedAgent.start({
    ...{ order, readFile: bundleAt(order.bundleUrl), startRuntime },
    onEvent: (event) => post({ kind: 'event', event }),
    ...(open && { open }),
  });
}

function post(message: FromWorker): void {
  // In a worker it goes to the page; the one argument that a page's own postMessage wants besides is not known here.
  self.postMessage(message);
}
