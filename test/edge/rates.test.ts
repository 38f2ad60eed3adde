/** An agent that sends only the first channels of its codes, before a real engine. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serveBundle } from '../../cloud/index.ts';
import { Agent, type AgentOptions, type CloudLink, type Offload } from '../../edge/agent/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { argmax } from '../../shared/exits/index.ts';
import { segmentKey } from '../../shared/runtime/index.ts';
import { makeEngine, submit } from '../cloud/engine-source.ts';
import { throwsCode, within } from '../protocol/expect.ts';
import { filled, openRatedBundle, openUnratedBundle, rates } from '../runtime/rated-bundle.ts';
import { drawnImage, runAlone, segmentGraphs, startPool, withThreshold } from '../runtime/real-bundle.ts';

const bundle = await openRatedBundle();
const served = serveBundle(bundle);
const pool = await startPool(segmentGraphs(bundle));
const images = Array.from({ length: 8 }, (_, index) => drawnImage(index * 70));
const alone = await runAlone(pool, bundle, images);
const [image = new Uint8Array(0)] = images;
const unsure = withThreshold(bundle, 0);
const bytesSent = 50;

function agentWith(change: Partial<AgentOptions>): Agent {
  return new Agent({
    ...{ bundle: unsure, runner: pool, clock: systemClock },
    ...{ cut: 1, defaultBudgetMs: 20_000, maxInFlight: 10 },
    ...change,
  });
}

/** A link whose other end is the server's engine; it remembers what it was asked. */
function engineLink() {
  const asked: Offload[] = [];
  const { engine } = makeEngine(pool);
  const link: CloudLink = {
    connected: true,
    async infer(offload) {
      asked.push(offload);
      const { cut, rows, channels, onSent } = offload;
      const sent = submit(engine, { served, cut, rows, ...(channels !== undefined && { channels }) });
      onSent?.(bytesSent);
      const { results, errors } = await within(20_000, sent.answered);
      const [result] = results;
      if (result === undefined) throw errors[0] ?? new Error('no result');
      return { id: 1, ...result, bytesSent };
    },
  };
  return { asked, link };
}

async function finalLabel(index: number, channels: number): Promise<number> {
  const codes = filled(alone[index]?.codes ?? new Uint8Array(0), channels, bundle);
  const { outputs } = await pool.run(segmentKey(bundle.manifest.id, 1), codes, 1);
  return argmax(outputs[0] ?? []);
}

const Rates = suite('an agent with a rate');

for (const channels of rates) {
  Rates(
    `of ${channels} channels sends these alone, says so, and answers with the label they give`,
    async () => {
      const { asked, link } = engineLink();
      const agent = agentWith({ cloud: link, channels });
      for (const [index, one] of images.entries()) {
        const answer = await agent.classify(one);
        assert.equal([answer.route, answer.degraded, answer.channelsSent], ['features', false, channels]);
        assert.is(answer.label, await finalLabel(index, channels), `image ${index}`);
        assert.equal([asked[index]?.cut, asked[index]?.channels], [1, channels === 6 ? undefined : channels]);
        const codec = bundle.codec(1, channels);
        const sent = codec.decode(asked[index]?.rows[0] ?? new Uint8Array(0));
        assert.equal(sent, alone[index]?.codes.subarray(0, codec.count));
      }
    },
  );
}

Rates('of all channels sends what an agent without a rate sends', async () => {
  const [all, none] = [engineLink(), engineLink()];
  const answers = [
    await agentWith({ cloud: all.link, channels: 6 }).classify(image),
    await agentWith({ cloud: none.link }).classify(image),
  ];
  assert.equal(all.asked[0]?.rows, none.asked[0]?.rows);
  assert.equal([all.asked[0]?.channels, none.asked[0]?.channels], [undefined, undefined]);
  assert.equal(answers[0]?.probabilities, answers[1]?.probabilities);
  assert.is(answers[1]?.channelsSent, 6, 'without a rate all channels are sent');
});

Rates('says nothing of channels for an image that leaves on the device', async () => {
  const { asked, link } = engineLink();
  const answer = await agentWith({
    bundle: withThreshold(bundle, 1),
    cloud: link,
    channels: 2,
  }).classify(image);
  assert.equal([answer.route, asked.length, 'channelsSent' in answer], ['exit', 0, false]);
});

Rates(
  'counts the channels of a request that was sent in vain, and not those of one that was not',
  async () => {
    const failing = (sends: readonly number[]): CloudLink => ({
      connected: true,
      infer: ({ onSent }) => {
        for (const bytes of sends) onSent?.(bytes);
        return Promise.reject(new OfframpError('BUSY', 'on purpose'));
      },
    });
    const sent = await agentWith({ cloud: failing([bytesSent]), channels: 4 }).classify(image);
    assert.equal([sent.reason, sent.bytesSent, sent.channelsSent], ['BUSY', bytesSent, 4]);
    const unsent = await agentWith({ cloud: failing([]), channels: 4 }).classify(image);
    assert.equal([unsent.reason, unsent.bytesSent, 'channelsSent' in unsent], ['BUSY', 0, false]);
  },
);

Rates.run();

const Refusals = suite('an agent with a rate that is none');
Refusals.after(() => pool.close());

Refusals('is not made, and says which there are', () => {
  for (const channels of [0, 1, 3, 7, 1.5, Number.NaN]) {
    throwsCode(() => agentWith({ channels }), 'RATE_UNSUPPORTED', 'expected one of: 2, 4, 6');
  }
});

Refusals('is not made where the bundle lists no rates, but for all channels', async () => {
  const plain = await openUnratedBundle();
  throwsCode(() => agentWith({ bundle: plain, channels: 2 }), 'RATE_UNSUPPORTED', 'expected one of: 6');
  agentWith({ bundle: plain, channels: 6 });
});

Refusals('is not made where no codes are sent', () => {
  for (const cut of [0, 2]) {
    throwsCode(() => agentWith({ cut, channels: 6 }), 'RATE_UNSUPPORTED', `no codes are sent at cut ${cut}`);
  }
});

Refusals.run();
