/** Figures on docs/results.md are those of the files beside it, rounded. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CloudBench, goodputKept } from '../../scripts/bench/cloud/bench.ts';
import type { DeviceBench } from '../../scripts/bench/device/bench.ts';
import type { EdgeBench } from '../../scripts/bench/edge/bench.ts';
import { pagePath, readPage } from './page.ts';

const page = readPage('results.md');

/** What a run has written; the file is ours. */
function results<T>(name: string): T {
  return JSON.parse(readFileSync(pagePath(`results/${name}`), 'utf8'));
}

/** The page's section below a heading. */
function section(heading: string): string {
  const found = page.split(/^### /m).find((part) => part.startsWith(heading));
  if (found === undefined) throw new Error(`no section '${heading}'`);
  return found;
}

/** Cells of the rows of a section whose first cell matches. */
function rows(text: string, first: RegExp): string[][] {
  const all = text.split('\n').filter((line) => line.startsWith('| '));
  const cells = all.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return cells.filter(([cell = '']) => first.test(cell));
}

/** The numbers in a text, in order. */
function numbers(text = ''): number[] {
  return [...text.matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => Number(number));
}

/** A number as the page rounds it. */
function rounded(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}

const Server = suite('docs/results.md, the server');
const cloud = results<CloudBench & { readonly command: string }>('cloud.json');
const serverText = section('The server against the segment by itself');

Server('has the rows a second of every round, and the median of their ratios', () => {
  const [alone = [], served = [], single = []] = rows(serverText, /^the (?:segment|server)/);
  assert.equal(
    numbers(alone[1]),
    cloud.rounds.map(({ direct }) => rounded(direct.rowsPerSecond)),
  );
  assert.equal(numbers(served[1]), [
    ...cloud.rounds.map((round) => rounded(round.served.rowsPerSecond)),
    rounded(cloud.ratio, 2),
    ...cloud.rounds.map(({ ratio }) => rounded(ratio, 2)),
  ]);
  assert.equal(numbers(single[1]), [rounded(cloud.single.rowsPerSecond)]);
  assert.equal(numbers(single[2]), [
    rounded(cloud.single.latencyMs.p50),
    rounded(cloud.single.latencyMs.p99),
  ]);
  const [round] = cloud.rounds;
  assert.equal(numbers(served[2]), [
    rounded(round?.served.latencyMs.p50 ?? 0),
    rounded(round?.served.latencyMs.p99 ?? 0),
  ]);
});

Server('has loads of the open loop as they were', () => {
  const shown = rows(serverText, /^\d+ %$/);
  assert.ok(shown.length >= 5);
  const capacity = Math.max(...cloud.rounds.map(({ served }) => served.rowsPerSecond));
  for (const [load = '', rate, times, refused] of shown) {
    const point = cloud.openLoop.find(
      ({ offeredRowsPerSecond }) =>
        rounded((100 * offeredRowsPerSecond) / capacity) === Number.parseInt(load, 10),
    );
    if (point === undefined) throw new Error(`nothing was offered at ${load}`);
    const { goodputRowsPerSecond, latencyMs, rejectedShare } = point;
    assert.equal(
      [numbers(rate), numbers(times), numbers(refused)],
      [
        [rounded(goodputRowsPerSecond)],
        [latencyMs.p50, latencyMs.p95, latencyMs.p99].map((ms) => rounded(ms)),
        [rounded(100 * rejectedShare)],
      ],
      load,
    );
  }
});

Server('says how much goodput is left past capacity', () => {
  const capacity = Math.max(...cloud.rounds.map(({ served }) => served.rowsPerSecond));
  const points = cloud.openLoop.map((point) => ({
    ...point,
    offeredShare: rounded(point.offeredRowsPerSecond / capacity, 2),
  }));
  const [kept] = numbers(/^Past capacity .*/m.exec(serverText)?.[0]);
  assert.is(kept, rounded(goodputKept(points), 2));
});

Server.run();

const Device = suite('docs/results.md, WebGPU in software');

Device('has how far each bundle is from the CPU', () => {
  const { bundles } = results<DeviceBench>('device-swiftshader.json');
  assert.equal(
    rows(section('On a GPU'), /^b-/),
    bundles.map(({ bundle, segments }) => {
      const all = segments.map(({ comparison }) => comparison);
      const codes = all.flatMap((one) => one.codes ?? []);
      const furthest = Math.max(...all.map(({ largestLogitDifference }) => largestLogitDifference));
      return [
        bundle,
        String(sum(all.map(({ labelsDiffering }) => labelsDiffering))),
        `${sum(codes.map(({ differing }) => differing))} of ${sum(codes.map(({ compared }) => compared))}`,
        furthest.toExponential(1),
      ];
    }),
  );
});

Device.run();

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const Agent = suite('docs/results.md, the agent');
const edge = results<EdgeBench>('edge.json');

Agent('has what each bundle takes alone and through the agent', () => {
  const shown = rows(section('The agent against the bare segment'), /^b-/);
  assert.equal(shown.map(([bundle]) => bundle).sort(), edge.bundles.map(({ bundle }) => bundle).sort());
  for (const [name, bare, through, added] of shown) {
    const figures = edge.bundles.find(({ bundle }) => bundle === name);
    if (figures === undefined) throw new Error(`${name} was not measured`);
    const [micros = 0, share = 0] = numbers(added);
    const shareDigits = String(share).split('.')[1]?.length ?? 0;
    assert.equal(
      [numbers(bare), numbers(through), micros, share],
      [
        [rounded(figures.bareMicros.p50)],
        [rounded(figures.classifyMicros.p50)],
        rounded(figures.addedMicros),
        rounded(100 * figures.addedShare, shareDigits),
      ],
      name,
    );
  }
});

Agent.run();

const Networks = suite('docs/results.md, the networks');

/** What `evaluate --plot` writes of a bundle, as far as the table has it. */
interface Curve {
  readonly operatingPoint: {
    readonly accuracy: number;
    readonly exitShares: readonly number[];
    readonly meanMacs: number;
    readonly measuredMs: number;
  };
  readonly baseline: { readonly accuracy: number; readonly meanMacs: number };
}

for (const [network, file] of [
  ['B-LeNet', 'b-lenet-mnist.json'],
  ['B-AlexNet', 'b-alexnet-cifar10.json'],
  ['B-ResNet', 'b-resnet-cifar10.json'],
] as const) {
  Networks(`has of ${network} what its curve has at the thresholds of the manifest`, () => {
    const { operatingPoint, baseline } = results<Curve>(file);
    const [cells = []] = rows(section('Table I'), new RegExp(`^${network}$`));
    const [, accuracy, baselines, ms, , , exits, macs, baselineMacs] = cells;
    assert.equal(
      [accuracy, baselines, ms, macs, baselineMacs].map((cell) => numbers(cell)[0]),
      [
        rounded(100 * operatingPoint.accuracy, 2),
        rounded(100 * baseline.accuracy, 2),
        rounded(operatingPoint.measuredMs, 2),
        ...[operatingPoint, baseline].map(({ meanMacs }, at) =>
          rounded(meanMacs / 1e6, decimals([macs, baselineMacs][at])),
        ),
      ],
    );
    assert.equal(
      numbers(exits),
      operatingPoint.exitShares.map((share) => rounded(100 * share, 1)),
    );
  });
}

/** Digits behind the point of the first number in a text. */
function decimals(text = ''): number {
  return /\d+(?:\.(\d+))?/.exec(text)?.[1]?.length ?? 0;
}

Networks.run();
