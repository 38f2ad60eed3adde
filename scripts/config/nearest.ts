/**
 * The candidate that a word was most likely meant to be: the same but for case, dashes and underscores, at most a third of its
 * letters away, or the only one that begins like it; `undefined` where there is none.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const meant = plain(word);
  let best: string | undefined;
  let fewest = Math.floor(meant.length / 3) + 1;
  for (const candidate of candidates) {
    const edits = editsBetween(meant, plain(candidate));
    if (edits >= fewest) continue;
    best = candidate;
    fewest = edits;
  }
  const begun = candidates.filter((candidate) => plain(candidate).startsWith(meant));
  return best ?? (begun.length === 1 ? begun[0] : undefined);
}

function plain(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll(/[-_]/g, '');
}

/** Letters to insert, leave out, replace or swap with their neighbour: the optimal string alignment distance. */
function editsBetween(from: string, to: string): number {
  let before: number[] = [];
  let last: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    [before, last, row] = [last, row, [i]];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const ways = [at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same];
      if (swapped) ways.push(at(before, j - 2) + 1);
      row.push(Math.min(...ways));
    }
  }
  return at(row, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
