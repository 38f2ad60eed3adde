import { OfframpError } from '../../../shared/errors.ts';
import { type Question, type Sought, usualMost } from './find.ts';

/** A question as a command line puts it. */
export interface QuestionOptions {
  readonly find?: Sought;
  /** Milliseconds. */
  readonly p95?: number;
  readonly accuracy?: number;
  readonly miss?: number;
  readonly most?: number;
}

/**
 * The question that is asked, if any.
 * @throws OfframpError CONFIG_INVALID for a question without criteria, or criteria without a question.
 */
export function questionOf({ find, p95, accuracy, miss, most }: QuestionOptions): Question | undefined {
  const areAny = [p95, accuracy, miss].some((one) => one !== undefined);
  if (find === undefined) {
    if (!areAny && most === undefined) return undefined;
    throw bad('--p95, --accuracy, --miss or --most without --find', '--find devices or --find bandwidth');
  }
  if (!areAny) throw bad(`--find ${find} alone`, 'some of --p95, --accuracy and --miss beside it');
  // No number of answers shows that none is ever missed.
  if (miss === 0) throw bad('--miss 0', 'a share above 0');
  const criteria = {
    ...(p95 !== undefined && { p95Ms: p95 }),
    ...(accuracy !== undefined && { accuracy }),
    ...(miss !== undefined && { miss }),
  };
  return { sought: find, criteria, most: most ?? usualMost[find] };
}

/** What whoever asks should know, where devices answer by themselves in time whatever the server does. */
export function questionHint({ criteria }: Question, budgetMs: number): string | undefined {
  const { p95Ms = 0, miss } = criteria;
  if (p95Ms < budgetMs || miss !== undefined) return undefined;
  return `Devices answer within the budget of ${budgetMs} ms by themselves, so a p95 of ${p95Ms} ms says little: ask for --miss, too`;
}

function bad(got: string, expected: string): OfframpError {
  return new OfframpError('CONFIG_INVALID', `Got ${got}, expected ${expected}`);
}
