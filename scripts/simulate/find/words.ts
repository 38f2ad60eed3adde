import { percent, table } from '../../output.ts';
import { areSeveralBundles, estimatedMs } from '../tables.ts';
import { criteriaWords } from './criteria.ts';
import type { Answer, Question, Sought, TriedRun } from './find.ts';

const heads: Readonly<Record<Sought, string>> = { devices: 'most devices', bandwidth: 'least Mbit/s' };

/** The question, and one row for each answer. */
export function answerWords(question: Question, answers: readonly Answer[]): string {
  return `${heads[question.sought]} for ${criteriaWords(question.criteria)}\n\n${answerTable(question, answers)}`;
}

function answerTable({ sought, most }: Question, answers: readonly Answer[]): string {
  const hasBundles = areSeveralBundles(answers);
  const hasFleets = sought === 'bandwidth';
  const rows = answers.map((answer) => [
    ...(hasBundles ? [answer.bundle] : []),
    answer.link,
    ...(hasFleets ? [String(answer.devices ?? '')] : []),
    answer.policy,
    answerValue(answer, sought, most),
    ...triedCells(answer.kept),
    answer.broke === undefined ? '' : shownValue(answer.broke.value),
    answer.broke?.broken.join(', ') ?? '',
    String(answer.runs),
  ]);
  const header = [
    ...(hasBundles ? ['bundle'] : []),
    'link',
    ...(hasFleets ? ['devices'] : []),
    ...['policy', heads[sought], 'p95 ms there', 'right', 'missed', 'breaks at', 'by', 'runs'],
  ];
  return table(header, rows);
}

function answerValue({ outcome, value = 0 }: Answer, sought: Sought, most: number): string {
  if (outcome === 'never') return sought === 'devices' ? 'not even 1' : `not even ${shownValue(most)}`;
  if (outcome === 'found') return shownValue(value);
  return sought === 'devices' ? `${shownValue(value)} or more` : `${shownValue(value)} or less`;
}

function triedCells(tried: TriedRun | undefined): string[] {
  if (tried === undefined) return ['', '', ''];
  const { latencyMs, accuracy, missed } = tried.run;
  return [estimatedMs(latencyMs.p95), percent(accuracy.share), percent(missed.share)];
}

function shownValue(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
