/** A daemon that chooses its plan while servers come and go. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawnImage } from '../runtime/real-bundle.ts';
import { cleanUp, connected, runCommand, type Server, startServer, waitUntil } from './support.ts';

interface PlannedAnswer {
  readonly route: string;
  readonly degraded: boolean;
  readonly latencyMs: number;
  readonly plan?: { readonly key: string; readonly predictedMs?: number };
}

async function classify({ url }: Server, index: number): Promise<PlannedAnswer> {
  const response = await fetch(`${url}/v1/classify`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: drawnImage(index),
  });
  assert.is(response.status, 200);
  const { answers }: { readonly answers: readonly PlannedAnswer[] } = await response.json();
  const [answer] = answers;
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

/** Answers until one follows a plan that begins so. */
async function untilPlan(edge: Server, beginning: string): Promise<PlannedAnswer> {
  let last: PlannedAnswer | undefined;
  let index = 0;
  await waitUntil(
    async () => {
      last = await classify(edge, index++);
      return last.plan?.key.startsWith(beginning) === true;
    },
    `a plan that begins with ${beginning}`,
    { everyMs: 50 },
  );
  if (last === undefined) throw new Error('no answer');
  return last;
}

const Objective = suite('offramp edge --objective');
Objective.after(cleanUp);

Objective('follows a plan, names it, and runs everything itself while there is no server', async () => {
  const cloud = await startServer('cloud', []);
  // The most accuracy that can be had in time: whatever the network can do, wherever it is done.
  const edge = await startServer('edge', ['--cloud', cloud.wsUrl, '--objective', 'accuracy']);
  await waitUntil(() => connected(edge), 'the edge to connect');
  for (let index = 0; index < 60; index++) {
    const { degraded, plan } = await classify(edge, index);
    assert.equal([degraded, typeof plan?.key, typeof plan?.predictedMs], [false, 'string', 'number']);
  }
  cloud.child.kill('SIGKILL');
  await cloud.ended;
  const alone = await untilPlan(edge, 'cut2');
  assert.equal([['edge-only', 'exit'].includes(alone.route), alone.degraded], [true, false]);
  for (let index = 0; index < 60; index++) assert.not((await classify(edge, index)).degraded);
  const status = await (await fetch(`${edge.url}/v1/status`)).json();
  assert.ok(status.plan.key.startsWith('cut2'), status.plan.key);
  assert.ok(status.plan.predicted.accuracy > 0.9 && status.plan.predicted.bytes === 0);
  assert.is(await edge.stop(), 0);
});

Objective('is refused beside a fixed plan', async () => {
  for (const [args, said] of [
    [['--objective', 'latency', '--cut', '1'], 'cannot be used with'],
    [['--objective', 'latency', '--threshold', '0.1'], 'cannot be used with'],
    [['--accuracy-floor', '0.9'], 'needs --objective'],
    [['--objective', 'speed'], 'Allowed choices'],
  ] as const) {
    const { ending, stderr } = await runCommand(['edge', '--port', '0', ...args]);
    assert.ok(ending !== 0 && stderr.includes(said), stderr);
  }
});

Objective.run();
