import { html, inOneList, type Markup } from './html.ts';
import type { LinkRuns, ReportedRun } from './source.ts';
import { type Rival, type Verdict, verdictOf } from './verdict.ts';
import {
  deviceWords,
  estimateFigure,
  grouped,
  listed,
  msWords,
  percentFigure,
  percentWords,
} from './words.ts';

/** From this share on it is said beside a policy's latency. */
const troubleShare = 0.01;

/** For a link the policy that answers soonest, and what that saves, in sentences; fleets with the same one together. */
export function linkSummary({ fleets }: LinkRuns, hindsight: ReadonlySet<string>): Markup[] {
  const verdicts = fleets.flatMap((fleet) => verdictOf(fleet, hindsight) ?? []);
  const stretches: Verdict[][] = [];
  for (const verdict of verdicts) {
    const last = stretches.at(-1);
    if (last?.at(-1)?.best.policy === verdict.best.policy) last.push(verdict);
    else stretches.push([verdict]);
  }
  if (stretches.length === 0) return [html`<p>No images were counted.</p>`];
  return stretches.map((stretch) => stretchWords(stretch, fleets.length));
}

function stretchWords(stretch: readonly Verdict[], fleets: number): Markup {
  const [first, last] = [stretch[0], stretch.at(-1)];
  if (first === undefined || last === undefined) return html``;
  const { best, rivals } = last;
  const faster = fasterRival(rivals);
  const among = faster === undefined ? '' : ', of those within half a point of the best accuracy';
  const subject = first === last ? 'It' : `With ${deviceWords(last.devices)} it`;
  return html`<p><strong>${best.policy}</strong> has the least mean latency${placeWords(first, last, fleets)}${among}:
${latencyWords(first, last)}, ${percentWords(best.accuracy.share)} right${troubleWords(best)}.</p>
${faster === undefined ? html`` : fasterWords(faster, best)}
<p class="faint">${[...savingWords(rivals, subject), ...hindsightWords(last)]}</p>`;
}

function placeWords(first: Verdict, last: Verdict, fleets: number): string {
  if (fleets === 1) return first.devices === 1 ? '' : ` with ${deviceWords(first.devices)}`;
  if (first === last) return ` with ${deviceWords(first.devices)}`;
  return ` from ${grouped(first.devices)} to ${deviceWords(last.devices)}`;
}

function latencyWords(first: Verdict, last: Verdict): string {
  const mean = ({ best }: Verdict) => msWords(best.latencyMs.mean.ms);
  if (first === last) return `${estimateFigure(last.best.latencyMs.mean)} ms`;
  return `${mean(first)} with ${deviceWords(first.devices)}, ${mean(last)} with ${grouped(last.devices)}`;
}

/** What a small mean may hide. */
function troubleWords({ degraded, lateShare, refused, images }: ReportedRun): string {
  const troubles = [
    { share: degraded.share, what: 'degraded' },
    { share: lateShare, what: 'late' },
    { share: refused / (refused + images), what: 'refused by a busy device' },
  ].filter(({ share }) => share >= troubleShare);
  const words = troubles.map(({ share, what }) => `${percentWords(share)} ${what}`);
  return words.length === 0 ? '' : `, but ${listed(words)}`;
}

/** The soonest of the policies that only lose because they are right less often. */
function fasterRival(rivals: readonly Rival[]): ReportedRun | undefined {
  return rivals.find(({ savedShare, standing }) => standing === 'less right' && savedShare <= 0)?.run;
}

/** Half a point is less than a few hundred images can show: whoever reads must know whether the accuracy settles it. */
function fasterWords({ policy, latencyMs, accuracy }: ReportedRun, best: ReportedRun): Markup {
  const points = percentFigure(best.accuracy.share - accuracy.share);
  const isChance = accuracy.interval[1] >= best.accuracy.interval[0];
  const doubt = isChance
    ? ` That may be chance: ${grouped(best.images)} images are too few to tell these accuracies apart.`
    : '';
  return html`<p><strong>${policy}</strong> is faster, ${msWords(latencyMs.mean.ms)}, but right ${points} points less often.${doubt}</p>`;
}

function savingWords(rivals: readonly Rival[], subject: string): Markup[] {
  if (rivals.length === 0) return [html`It is the only policy.`];
  const slower = rivals.filter(({ savedShare, standing }) => standing !== 'as fast' && savedShare > 0);
  const alike = rivals
    .filter(({ standing }) => standing === 'as fast')
    .map(({ run }) => html`<i>${run.policy}</i>`);
  const saved = slower.map(
    ({ run, savedShare }) => html`${percentFigure(savedShare, 0)} % against <i>${run.policy}</i>`,
  );
  return [
    ...(saved.length === 0 ? [] : [html`${subject} saves ${inOneList(saved)}.`]),
    ...(alike.length === 0 ? [] : [html`As fast, as far as these images tell: ${inOneList(alike)}.`]),
  ];
}

function hindsightWords({ hindsight }: Verdict): Markup[] {
  if (hindsight === undefined) return [];
  return [
    html`The best at every moment, as only hindsight knows it: ${msWords(hindsight.latencyMs.mean.ms)}.`,
  ];
}
