import type { Lead, Leader, Stretch, Verdict } from './verdict.ts';

const leaderWords: Readonly<Record<Leader, string>> = {
  rates: 'The rates lie above',
  webp: 'WebP lies above',
  neither: 'Both are equal',
};

/** Ranges that one sentence names; curves that differ by noise alone can cross many times. */
const mostRanges = 4;

/** Which curve lies above where. */
export function verdictLine({ stretches, widest }: Verdict): string {
  const sentences = (['rates', 'webp', 'neither'] as const).flatMap((leader) => {
    const own = stretches.filter((stretch) => stretch.leader === leader);
    const lead = leader === 'webp' ? widest.webp : null;
    const by = lead === null ? '' : `, by at most ${points(lead)}`;
    return own.length === 0 ? [] : [`${leaderWords[leader]} ${rangesWords(own)}${by}.`];
  });
  return sentences.join(' ');
}

/** The verdict in sentences. */
export function verdictWords(verdict: Verdict): string[] {
  const { smallest, widest } = verdict;
  return [
    verdictLine(verdict),
    ...(smallest.rates < smallest.webp ? [`WebP has no files below ${count(smallest.webp)} bytes.`] : []),
    ...(smallest.webp < smallest.rates ? [`No rate is below ${count(smallest.rates)} bytes.`] : []),
    ...leadWords('the rates lie', widest.rates),
    ...leadWords('WebP lies', widest.webp),
  ];
}

function rangesWords(stretches: readonly Stretch[]): string {
  const named = stretches.slice(0, mostRanges).map(({ from, to }) => {
    return to === null ? `from ${count(from)} bytes on` : `from ${count(from)} to ${count(to)} bytes`;
  });
  const more = stretches.length - named.length;
  return [...named, ...(more === 0 ? [] : [`in ${more} more ranges`])].join(', ');
}

function leadWords(who: string, lead: Lead | null): string[] {
  if (lead === null) return [];
  return [
    `Where both have a setting, ${who} furthest above at ${count(lead.bytes)} bytes: by ${points(lead)}.`,
  ];
}

function points({ by }: Lead): string {
  return `${(by * 100).toFixed(2)} points`;
}

function count(bytes: number): string {
  return bytes.toFixed(1);
}
