/** A device on trial: its runs slowed down, its thresholds fixed by hand; and what the daemon says of that. */
import pino from 'pino';
import { Compile } from 'typebox/compile';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { areLooser, fixedThresholds } from '../../edge/agent/index.ts';
import {
  type AgentConfig,
  type EdgeConfig,
  type RunningAgent,
  startAgent,
  startEdge,
} from '../../edge/daemon/index.ts';
import { schemas } from '../../edge/daemon/schemas.ts';
import { rejectsCode, throwsCode } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, realBundleFolder } from '../runtime/real-bundle.ts';

const { manifest } = await openRealBundle({ segments: [] });
const [{ threshold: calibrated = 0 } = {}] = manifest.exits;
/** Nobody listens there. */
const cloudUrls = ['ws://127.0.0.1:1'];
const usual = {
  ...{ bundleFolder: realBundleFolder, budgetMs: 5000, maxInFlight: 64, version: '1.2.3' },
  ...{ workers: 0, threadsPerWorker: 1 },
};

async function withAgent(
  change: Partial<AgentConfig>,
  work: (running: RunningAgent) => Promise<void> | void,
): Promise<void> {
  const running = await startAgent({ ...usual, onEvent: () => {}, ...change });
  try {
    await work(running);
  } finally {
    await running.stop();
  }
}

interface Told {
  /** Of GET /v1/status. */
  readonly status: Readonly<Record<string, unknown>>;
  /** Messages of the log from the level `warn` on. */
  readonly warnings: readonly string[];
}

/** What a daemon with these settings says of itself. */
async function told(change: Partial<EdgeConfig>): Promise<Told> {
  const warnings: string[] = [];
  const write = (line: string) => {
    warnings.push(JSON.parse(line).msg);
  };
  const edge = await startEdge({
    ...{ ...usual, host: '127.0.0.1', port: 0, tokens: [], resize: 'cover' },
    logger: pino({ level: 'warn' }, { write }),
    ...change,
  });
  const status: Told['status'] = await (await fetch(`${edge.url}/v1/status`)).json();
  await edge.stop();
  assert.equal([...Compile(schemas.Status).Errors(status)], []);
  // Of a server that is not there it warns as well.
  return { status, warnings: warnings.filter((message) => !message.includes('answering on the device')) };
}

const Fixed = suite('thresholds that somebody chose');

const exits = [0.2, 0.3, undefined].map((threshold, index) => ({
  ...{ name: `exit-${index}`, segment: `s${index}`, temperature: 1 },
  ...(threshold !== undefined && { threshold }),
}));
const three = { id: 'three', exits };

Fixed('are one for each exit that the device reaches, or one for all', () => {
  assert.equal(fixedThresholds(three, 1, [0.1]), { inUse: [0.1], calibrated: [0.2] });
  assert.equal(fixedThresholds(three, 2, [0.1]), { inUse: [0.1, 0.1], calibrated: [0.2, 0.3] });
  for (const cut of [2, 3]) {
    assert.equal(fixedThresholds(three, cut, [0, 1]), { inUse: [0, 1], calibrated: [0.2, 0.3] });
  }
  // What the device answers from when the cloud does not.
  assert.equal(fixedThresholds(three, 0, [0.1]), { inUse: [0.1], calibrated: [0.2] });
});

Fixed('are refused in another number, out of range, and where no exit has one', () => {
  const refused = (cut: number, levels: readonly number[], said: string) =>
    throwsCode(() => fixedThresholds(three, cut, levels), 'CONFIG_INVALID', said);
  refused(1, [0.1, 0.2], 'got 2, expected 1');
  refused(3, [0.1, 0.2, 0.3], 'got 3, expected 1 or 2');
  refused(2, [], 'got 0, expected 1 or 2');
  refused(2, [0.1, 1.1], 'got 1.1');
  refused(2, [-0.1], 'got -0.1');
  refused(2, [Number.NaN], 'got NaN');
  const one = { id: 'one', exits: exits.slice(2) };
  throwsCode(() => fixedThresholds(one, 1, [0.1]), 'CONFIG_INVALID', 'no exit with a threshold');
});

Fixed('are looser where any lets go what the calibration would not', () => {
  const looser = (levels: readonly number[]) => areLooser(fixedThresholds(three, 2, levels));
  assert.equal([[0.2, 0.3], [0.1], [0, 0.31], [0.25]].map(looser), [false, false, true, true]);
});

Fixed('of 0 let nothing leave, of 1 next to everything', async () => {
  for (const [level, degraded] of [
    [0, true],
    [1, false],
  ] as const) {
    await withAgent({ cut: 1, thresholds: [level] }, async ({ agent }) => {
      for (let index = 0; index < 5; index++) {
        const answer = await agent.classify(drawnImage(index));
        assert.equal([answer.route, answer.degraded], ['exit', degraded]);
      }
    });
  }
});

Fixed(
  'looser than the calibrated ones are audited only where somebody says what to hold them to',
  async () => {
    const isAudited = async (change: Partial<AgentConfig>) => {
      let audited = false;
      await withAgent({ cloudUrls, cut: 1, auditShare: 0.5, ...change }, ({ auditor }) => {
        audited = auditor !== undefined;
      });
      return audited;
    };
    const looser = calibrated + 0.01;
    assert.is(await isAudited({}), true);
    assert.is(await isAudited({ thresholds: [looser] }), false);
    assert.is(await isAudited({ thresholds: [calibrated] }), true);
    assert.is(await isAudited({ thresholds: [looser], allowedDisagreement: 0.1 }), true);
  },
);

Fixed('that do not fit stop the start', async () => {
  const start = withAgent({ thresholds: [0.1, 0.2] }, () => {});
  await rejectsCode(start, 'CONFIG_INVALID', 'got 2, expected 1');
});

Fixed.run();

const Trial = suite('a daemon on trial');

Trial('says that it is none', async () => {
  const { status, warnings } = await told({});
  assert.equal([status.slowdown, status.thresholds, warnings], [undefined, undefined, []]);
});

Trial('says which thresholds are in use, and that nothing is audited', async () => {
  const { status, warnings } = await told({ cloudUrls, cut: 1, thresholds: [0.9], auditShare: 0.5 });
  assert.equal(status.thresholds, { inUse: [0.9], calibrated: [calibrated] });
  assert.is(status.audit, undefined);
  assert.is(warnings.length, 2, warnings.join('; '));
  assert.match(warnings[0] ?? '', 'thresholds are fixed');
  assert.match(warnings[1] ?? '', 'nothing is audited');
});

Trial('says by how much it is slowed down', async () => {
  const { status, warnings } = await told({ slowdown: 3 });
  assert.is(status.slowdown, 3);
  assert.match(warnings.join(), 'takes longer');
});

Trial('answers so many times later', async () => {
  await withAgent({ cut: 1, slowdown: 1000 }, async ({ agent }) => {
    const { stagesMs } = await agent.classify(drawnImage(0));
    // No machine runs the segment within 5 microseconds.
    assert.ok(stagesMs.device > 5, `${stagesMs.device} ms`);
  });
});

Trial('is refused a slowdown that speeds up', async () => {
  await rejectsCode(
    withAgent({ slowdown: 0.5 }, () => {}),
    'CONFIG_INVALID',
    'slowdown: got 0.5',
  );
});

Trial.run();
