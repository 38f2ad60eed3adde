import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Uplink } from '../../edge/agent/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { encodeError, encodeGoaway } from '../../shared/protocol/index.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';
import { type Dialled, hello, offload, resultOf, TestCloud } from './link-source.ts';

const kinds = [
  'infer',
  'infer',
  'infer',
  'accept',
  'result',
  'result',
  'error',
  'wrong result',
  'garbage',
  'goaway',
  'drop',
  'advance',
  'advance',
] as const;

interface Step {
  readonly kind: (typeof kinds)[number];
  /** Chooses one of whatever there is to choose from. */
  readonly pick: number;
  readonly ms: number;
  readonly credits: number;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    pick: fc.nat({ max: 1000 }),
    ms: fc.integer({ min: 1, max: 150 }),
    credits: fc.integer({ min: 1, max: 3 }),
  }),
  { minLength: 5, maxLength: 60 },
);

/** One request, with how often it was settled. */
interface Counted {
  settlings: number;
  readonly budgetMs: number;
  readonly sentAtMs: number;
  settledAtMs: number;
}

class Play {
  readonly clock = new VirtualClock();
  readonly cloud = new TestCloud();
  readonly requests: Counted[] = [];
  readonly uplink = new Uplink({
    dial: this.cloud.dial,
    hello,
    clock: this.clock,
    random: () => 0.5,
    backoff: { firstMs: 20, maxMs: 100 },
    limits: { welcomeTimeoutMs: 200, maxWaiting: 2 },
  });
  readonly #accepted = new Set<Dialled>();

  act({ kind, pick, ms, credits }: Step): void {
    const dialled = this.cloud.dialled[this.cloud.dialled.length - 1 - (pick % 2)] ?? this.cloud.last;
    const open = !dialled.transport.closed;
    if (kind === 'infer') this.#infer(ms);
    if (kind === 'advance') this.clock.advance(ms);
    if (kind === 'drop') dialled.events.onClose(1006, '');
    if (!open) return;
    if (kind === 'accept' && !this.#accepted.has(dialled)) {
      this.#accepted.add(dialled);
      dialled.accept({ credits });
    }
    if (!this.#accepted.has(dialled)) return;
    const ids = dialled.requests.map(({ id }) => id);
    const id = ids[pick % Math.max(1, ids.length)] ?? 999;
    if (kind === 'result') dialled.answer(id);
    if (kind === 'wrong result') dialled.events.onMessage(resultOf(id, 2));
    if (kind === 'error') dialled.events.onMessage(encodeError(id, new OfframpError('BUSY', 'full')));
    if (kind === 'goaway') dialled.events.onMessage(encodeGoaway('update'));
    if (kind === 'garbage') dialled.events.onMessage(Uint8Array.of(pick & 0xff));
  }

  #infer(budgetMs: number): void {
    const sentAtMs = this.clock.now();
    const counted: Counted = { settlings: 0, budgetMs, sentAtMs, settledAtMs: Number.NaN };
    this.requests.push(counted);
    const note = () => {
      counted.settlings++;
      counted.settledAtMs = this.clock.now();
    };
    this.uplink.infer(offload({ budgetMs })).then(note, (thrown: unknown) => {
      assert.instance(thrown, OfframpError);
      note();
    });
  }
}

const Once = suite('every request');

Once('settles exactly once and within its budget, whatever cloud and network do', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const play = new Play();
      play.uplink.start();
      for (const step of script) {
        play.act(step);
        await settled();
      }
      play.clock.advance(151);
      await settled();
      for (const { settlings, budgetMs, sentAtMs, settledAtMs } of play.requests) {
        assert.is(settlings, 1, 'not settled, or more than once');
        // Time stands still between a timer and its note, but for the rest of one step.
        assert.ok(settledAtMs - sentAtMs <= budgetMs + 151, `${settledAtMs - sentAtMs} of ${budgetMs} ms`);
      }
      const sent = play.cloud.dialled.reduce((sum, { requests }) => sum + requests.length, 0);
      assert.ok(sent <= play.requests.length, 'a request went to two servers');
      play.uplink.close();
      await settled();
      assert.is(play.clock.pending, 0, 'a timer is left after close');
    }),
    { numRuns: 400 },
  );
});

Once('that is in flight or waiting when the uplink closes settles then', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const play = new Play();
      play.uplink.start();
      for (const step of script) {
        if (step.kind !== 'advance') play.act(step);
        await settled();
      }
      play.uplink.close();
      await settled();
      assert.ok(play.requests.every(({ settlings }) => settlings === 1));
    }),
    { numRuns: 200 },
  );
});

Once.run();
