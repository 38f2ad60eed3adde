/** A link that stands still for seconds: nobody waits for it longer than the first images, and it is found again by itself. */

import type { AddressInfo } from 'node:net';
import { createServer, connect as dial, type Server as NetServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../edge/agent/index.ts';
import { startAgent } from '../../edge/daemon/index.ts';
import { drawnImage } from '../runtime/real-bundle.ts';
import { offloadingBundle } from './images.ts';
import { cleanUp, sleep, startServer, waitUntil } from './support.ts';

const budgetMs = 250;
const holeMs = 3000;
const everyMs = 20;

/** A link that can stand still: bytes wait on both sides, and no connection breaks. */
class Link {
  readonly #sockets = new Set<Socket>();
  readonly #server: NetServer;

  constructor(port: number) {
    this.#server = createServer((near) => {
      const far = dial(port, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on('data', (chunk) => to.write(chunk));
      }
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stand(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  flow(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

const Hole = suite('a link that stands still');
Hole.after(cleanUp);

Hole('holds up the first images alone, and is used again once it flows', async () => {
  const bundle = offloadingBundle();
  const cloud = await startServer('cloud', ['--bundle', bundle]);
  const link = new Link(cloud.port);
  const running = await startAgent({
    ...{ bundleFolder: bundle, cloudUrls: [await link.listen()], budgetMs, maxInFlight: 256 },
    ...{ workers: 1, threadsPerWorker: 1, version: 'test', onEvent: () => {} },
  });
  try {
    await waitUntil(() => running.cloud?.connected === true, 'the agent to connect');
    const answers: { readonly sentMs: number; readonly answer: Answer }[] = [];
    let sent = 0;
    const streamFor = async (ms: number) => {
      const beganMs = performance.now();
      const all: Promise<void>[] = [];
      while (performance.now() - beganMs < ms) {
        const sentMs = performance.now() - beganMs;
        all.push(
          running.agent.classify(drawnImage(sent++)).then((answer) => void answers.push({ sentMs, answer })),
        );
        await sleep(everyMs);
      }
      await Promise.all(all);
      return answers.splice(0);
    };
    const before = await streamFor(1000);
    assert.ok(before.filter(({ answer }) => answer.degraded).length <= 2, 'the link was bad before');

    link.stand();
    const during = await streamFor(holeMs);
    assert.ok(during.every(({ answer }) => answer.degraded));
    assert.ok(during.every(({ answer }) => answer.latencyMs < budgetMs + 100));
    // Those sent in the first moments wait for their budget's end; then it is known, and nobody waits.
    const known = during.filter(({ sentMs }) => sentMs > 2 * budgetMs).map(({ answer }) => answer);
    const waited = known.filter(({ latencyMs }) => latencyMs > budgetMs / 2);
    assert.ok(waited.length <= 0.05 * known.length, `${waited.length} of ${known.length} waited`);
    assert.ok(known.some(({ reason }) => reason === 'LINK_SLOW'));
    // Whoever says that its budget was spent has waited for it.
    const hasty = known.filter(
      ({ reason, latencyMs }) => reason === 'BUDGET_SPENT' && latencyMs < budgetMs / 2,
    );
    assert.is(hasty.length, 0);

    link.flow();
    const after = await streamFor(3000);
    const late = after.filter(({ sentMs, answer }) => sentMs > 2000 && answer.degraded);
    assert.ok(late.length <= 2, `${late.length} degraded two seconds after the link was back`);
  } finally {
    await running.stop();
    link.close();
  }
});

Hole.run();
