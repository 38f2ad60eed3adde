import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type DecoderLimits,
  PictureDecoder,
  type SentWork,
  serveBundle,
  type Work,
} from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { InferResult } from '../../shared/protocol/index.ts';
import { throwsCode } from '../protocol/expect.ts';
import { openRealBundle } from '../runtime/real-bundle.ts';
import { greyFile } from '../support/pictures.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const served = serveBundle(await openRealBundle());
const png = await greyFile(28, 28, 'png');
const jpeg = await greyFile(28, 28, 'jpeg');
const usual: DecoderLimits = {
  ...{ maxImageBytes: 10_000, maxDecodes: 2, maxBatchRows: 4 },
  ...{ maxQueuedRows: 100, maxUndecodedBytes: 1_000_000 },
};

/** A decode that the test ends. */
interface Held {
  readonly file: Uint8Array;
  finish(): void;
  fail(thrown: unknown): void;
}

interface Sent {
  readonly results: Omit<InferResult, 'id'>[];
  readonly errors: OfframpError[];
  readonly drop: () => void;
}

/** A decoder whose pictures the test finishes, before an engine that keeps what it gets. */
function setting(change: Partial<DecoderLimits> = {}) {
  const clock = new VirtualClock();
  const held: Held[] = [];
  const engineGot: Work[] = [];
  const dropped: Work[] = [];
  const secondsSeen: number[] = [];
  let refusal: OfframpError | undefined;
  const engine = {
    submit(work: Work) {
      if (refusal !== undefined) throw refusal;
      engineGot.push(work);
      return () => void dropped.push(work);
    },
  };
  const decode = (file: Uint8Array) =>
    new Promise<Uint8Array>((resolve, reject) => {
      held.push({ file, finish: () => resolve(file.subarray(0, 1)), fail: reject });
    });
  const observer = { onDecoded: (seconds: number) => void secondsSeen.push(seconds) };
  const decoder = new PictureDecoder(engine, decode, clock, { ...usual, ...change }, observer);
  const send = (change: Partial<SentWork> = {}): Sent => {
    const results: Sent['results'] = [];
    const errors: OfframpError[] = [];
    const drop = decoder.submit({
      ...{ served, cut: 0, rows: [png], format: 'png', client: 'one', budgetMs: 1000 },
      onResult: (result) => void results.push(result),
      onError: (error) => void errors.push(error),
      ...change,
    });
    return { results, errors, drop };
  };
  const refuse = (error: OfframpError) => {
    refusal = error;
  };
  return { clock, held, engineGot, dropped, secondsSeen, decoder, send, refuse };
}

/** A picture that can be told from all others. */
function marked(mark: number): Uint8Array {
  return Uint8Array.of(...png, mark);
}

function marksOf(held: readonly Held[]): (number | undefined)[] {
  return held.map(({ file }) => file.at(-1));
}

const result = {
  ...{ exits: [0], logits: new Float32Array(10), queueMicros: 100, runMicros: 200 },
  ...{ batchRows: 1, queuedRows: 0 },
};

const Order = suite('the order of decoding');

Order('rows without a format go to the engine at once, as they are', () => {
  const { decoder, engineGot, dropped, held } = setting();
  const work = {
    served,
    client: 'one',
    cut: 1,
    rows: [Uint8Array.of(1)],
    budgetMs: 9,
    onResult() {},
    onError() {},
  };
  const drop = decoder.submit(work);
  assert.is(engineGot[0]?.rows, work.rows);
  assert.equal([held.length, decoder.undecodedRows], [0, 0]);
  drop();
  assert.equal(dropped, engineGot);
});

Order('no more pictures than allowed are decoded at once, and each end begins another', async () => {
  const { send, held, decoder, engineGot } = setting();
  for (let mark = 0; mark < 5; mark++) send({ rows: [marked(mark)] });
  assert.equal(marksOf(held), [0, 1]);
  assert.is(decoder.undecodedRows, 5);
  held[1]?.finish();
  await settled();
  assert.equal(marksOf(held), [0, 1, 2]);
  for (const index of [0, 2, 3, 4]) {
    held[index]?.finish();
    await settled();
  }
  assert.is(engineGot.length, 5);
  assert.is(decoder.undecodedRows, 0);
});

Order('a request of several pictures is handed over whole, in its order', async () => {
  const { send, held, engineGot } = setting();
  send({ rows: [marked(1), marked(2), marked(3)] });
  for (let index = 0; index < 3; index++) {
    assert.is(held.length, index + 1, 'one picture of a request at a time');
    held[index]?.finish();
    await settled();
  }
  assert.is(engineGot.length, 1);
  assert.is(engineGot[0]?.rows.length, 3);
});

Order('clients take turns picture by picture, whatever one of them has sent before', async () => {
  const { send, held } = setting({ maxDecodes: 1 });
  send({ client: 'greedy', rows: [marked(1), marked(2), marked(3)] });
  send({ client: 'greedy', rows: [marked(4)] });
  send({ client: 'honest', rows: [marked(100)] });
  send({ client: 'honest', rows: [marked(101)] });
  for (let index = 0; index < 6; index++) {
    held[index]?.finish();
    await settled();
  }
  assert.equal(marksOf(held), [1, 100, 2, 101, 3, 4]);
});

Order.run();

const Times = suite('times');

Times('waiting for a turn is queueing, decoding is computing, and the engine has what is left', async () => {
  const { send, held, clock, engineGot, secondsSeen } = setting({ maxDecodes: 1 });
  send();
  const second = send({ rows: [png, png], budgetMs: 500 });
  clock.advance(30);
  held[0]?.finish();
  await settled();
  clock.advance(7);
  held[1]?.finish();
  await settled();
  clock.advance(5);
  held[2]?.finish();
  await settled();
  const work = engineGot[1];
  assert.is(work?.budgetMs, 500 - 30 - 7 - 5);
  work?.onResult(result);
  const [got] = second.results;
  assert.equal([got?.queueMicros, got?.runMicros], [100 + 30_000, 200 + 12_000]);
  assert.equal(secondsSeen, [0.03, 0.007, 0.005]);
});

Times('a budget that ends before the turn costs no decoding, and says so', async () => {
  const { send, held, clock, engineGot, decoder } = setting({ maxDecodes: 1 });
  send();
  const late = send({ budgetMs: 20 });
  clock.advance(20);
  held[0]?.finish();
  await settled();
  assert.is(held.length, 1);
  assert.equal([late.errors.length, late.errors[0]?.code], [1, 'BUDGET_SPENT']);
  assert.is(engineGot.length, 1);
  assert.is(decoder.undecodedRows, 0);
});

Times('a budget that ends between two pictures ends the request, and says how far it was', async () => {
  const { send, held, clock, engineGot } = setting();
  const late = send({ rows: [png, png, png], budgetMs: 20 });
  held[0]?.finish();
  await settled();
  clock.advance(20);
  held[1]?.finish();
  await settled();
  assert.is(held.length, 2);
  assert.match(late.errors[0]?.message ?? '', '2 of 3');
  assert.is(engineGot.length, 0);
});

Times('no budget at all is BUDGET_SPENT at once', () => {
  const { send, held } = setting();
  throwsCode(() => send({ budgetMs: 0 }), 'BUDGET_SPENT');
  assert.is(held.length, 0);
});

Times.run();

const Drops = suite('clients that have gone');

Drops('a request that waits is forgotten', async () => {
  const { send, held, engineGot, decoder } = setting({ maxDecodes: 1 });
  send();
  const gone = send({ rows: [png, png] });
  gone.drop();
  assert.is(decoder.undecodedRows, 1);
  held[0]?.finish();
  await settled();
  assert.equal([held.length, engineGot.length, decoder.undecodedRows], [1, 1, 0]);
  assert.equal([gone.errors, gone.results], [[], []]);
});

Drops('of a request that is being decoded nothing more is, and it is not handed over', async () => {
  for (const [end, rows] of [
    ['finish', [png]],
    ['finish', [png, png]],
    ['fail', [png, png]],
  ] as const) {
    const { send, held, engineGot, decoder } = setting();
    const gone = send({ rows });
    gone.drop();
    held[0]?.[end](new OfframpError('IMAGE_INVALID', 'broken'));
    await settled();
    const what = `${end}, ${rows.length} rows`;
    assert.equal([held.length, engineGot.length, decoder.undecodedRows], [1, 0, 0], what);
    assert.equal([gone.errors, gone.results], [[], []], what);
    send();
    assert.is(held.length, 2, 'its place is free again');
  }
});

Drops('a request that the engine has is dropped there', async () => {
  const { send, held, engineGot, dropped, decoder } = setting();
  const gone = send();
  held[0]?.finish();
  await settled();
  gone.drop();
  assert.equal(dropped, engineGot);
  assert.is(decoder.undecodedRows, 0);
});

Drops.run();

const Refusals = suite('requests that are refused');

Refusals('a file longer than allowed is IMAGE_TOO_LARGE and its row is named', () => {
  const { send, decoder } = setting({ maxImageBytes: png.length });
  send({ rows: [png] });
  throwsCode(
    () => send({ rows: [png, marked(1)] }),
    'IMAGE_TOO_LARGE',
    `Row 1: a picture of ${png.length + 1}`,
  );
  assert.is(decoder.undecodedRows, 1);
});

Refusals('another format than the frame says is IMAGE_INVALID and its row is named', () => {
  const { send, held } = setting();
  throwsCode(() => send({ rows: [png, jpeg] }), 'IMAGE_INVALID', 'Row 1: got jpeg, expected png');
  throwsCode(() => send({ rows: [new Uint8Array(784)] }), 'IMAGE_INVALID', 'Row 0');
  throwsCode(() => send({ rows: [new Uint8Array(0)] }), 'IMAGE_INVALID', 'Row 0');
  assert.is(held.length, 0);
});

Refusals('more rows than a batch holds is TENSOR_INVALID before any is decoded', () => {
  const { send, held } = setting();
  throwsCode(() => send({ rows: Array.from({ length: 5 }, () => png) }), 'TENSOR_INVALID', '5 rows');
  assert.is(held.length, 0);
});

Refusals('beyond its rows or its bytes it is BUSY, until pictures are decoded', async () => {
  const byRows = setting({ maxQueuedRows: 3 });
  const byBytes = setting({ maxUndecodedBytes: png.length * 3 });
  for (const { send, held, decoder } of [byRows, byBytes]) {
    send({ rows: [png, png, png] });
    try {
      send();
      assert.unreachable('a fourth picture was taken');
    } catch (thrown) {
      assert.ok(thrown instanceof OfframpError && thrown.code === 'BUSY');
      assert.ok((thrown.retryAfterMs ?? 0) >= 1);
    }
    for (let index = 0; index < 3; index++) {
      held[index]?.finish();
      await settled();
    }
    send();
    assert.is(decoder.undecodedRows, 1);
  }
});

Refusals('a picture that is none fails its request alone, by its row', async () => {
  const { send, held, engineGot, decoder } = setting();
  const [bad, good] = [send({ rows: [png, png] }), send()];
  held[0]?.finish();
  await settled();
  held[2]?.fail(new OfframpError('IMAGE_INVALID', 'Not a picture'));
  held[1]?.finish();
  await settled();
  assert.equal(
    bad.errors.map(({ code, message }) => [code, message]),
    [['IMAGE_INVALID', 'Row 1: Not a picture']],
  );
  assert.equal([good.errors.length, engineGot.length, decoder.undecodedRows], [0, 1, 0]);
});

Refusals('what the engine refuses after decoding is told once', async () => {
  const { send, held, refuse, decoder } = setting();
  const sent = send();
  refuse(new OfframpError('BUSY', 'full', { retryAfterMs: 7 }));
  held[0]?.finish();
  await settled();
  assert.equal(
    sent.errors.map(({ code, retryAfterMs }) => [code, retryAfterMs]),
    [['BUSY', 7]],
  );
  assert.is(decoder.undecodedRows, 0);
});

Refusals.run();
