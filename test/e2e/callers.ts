/** Callers who keep asking an edge daemon while something happens to its server, and what they saw of it. */
import * as assert from 'uvu/assert';
import { classify, countWays, type JsonAnswer, samples } from './images.ts';
import { type Server, sleep, waitUntil } from './support.ts';

/** What each call has for its answer. */
export const budgetMs = 300;
/** What the agent promises beyond the budget. */
const marginMs = 20;
/** How late a timer may be on a busy machine, beyond that margin. */
const slackMs = 250;
const everyMs = 20;
const [beforeMs, troubleMs, afterMs] = [600, 2000, 600];
/** So many answers by the cloud one after the other say that it is back. */
const runLength = 10;
/** What a busy machine may cost while there is no trouble. */
const calmReasons = ['BUDGET_SPENT', 'LINK_SLOW'];
const images = samples(64);

interface Seen {
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly answer: JsonAnswer;
}

/** A daemon and its only server, between which something can go wrong. */
export interface Scene {
  readonly edge: Pick<Server, 'url'>;
  /** Begins the trouble; resolves once it is there. Absent: it has been there from the start. */
  readonly begin?: () => Promise<void>;
  /** Ends it; resolves once the server could answer again. Absent: it never ends. */
  readonly end?: () => Promise<void>;
}

/** One trouble as its callers saw it. */
export interface Report {
  /** Degraded answers, while it lasted and until the cloud was back, by their reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Answers by the cloud of all, and the slowest one, in each phase. */
  readonly phases: string;
  /** Seconds from the trouble's end to the first of ten answers by the cloud in a row; absent where it never ends. */
  readonly backAfter?: string;
}

/** Asks for one image after the other, at a pace that no answer changes. */
class Callers {
  readonly seen: Seen[] = [];
  readonly #calls: Promise<void>[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(edge: Scene['edge']) {
    this.#timer = setInterval(() => this.#ask(edge), everyMs);
  }

  /** Asks no more; resolves once everybody has an answer. @throws of the first call that got none, or an HTTP error. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#calls);
    assert.is(this.seen.length, this.#calls.length, 'every call has one answer');
  }

  /** When the first of ten in a row was asked that the cloud has answered, of those asked since then. */
  backAtMs(sinceMs: number): number | undefined {
    const asked = this.seen
      .filter(({ askedAtMs }) => askedAtMs >= sinceMs)
      .sort((one, other) => one.askedAtMs - other.askedAtMs);
    let first = 0;
    for (const [index, { answer }] of asked.entries()) {
      if (answer.degraded) first = index + 1;
      else if (index - first === runLength - 1) return asked[first]?.askedAtMs;
    }
    return undefined;
  }

  #ask(edge: Scene['edge']): void {
    const askedAtMs = performance.now();
    const call = classify(edge, images.image(this.#calls.length % images.count)).then((answer) => {
      this.seen.push({ askedAtMs, answeredAtMs: performance.now(), answer });
    });
    // Whoever stops the callers hears of it.
    call.catch(() => {});
    this.#calls.push(call);
  }
}

/** Lets a trouble come and go while callers ask, checks every answer, and reports. */
export async function live({ edge, begin, end }: Scene): Promise<Report> {
  const callers = new Callers(edge);
  try {
    if (begin !== undefined) {
      await back(callers, 0);
      await sleep(beforeMs);
    }
    const beganAtMs = performance.now();
    await begin?.();
    await sleep(troubleMs);
    await end?.();
    const endedAtMs = performance.now();
    const backAtMs = end === undefined ? Number.POSITIVE_INFINITY : await back(callers, endedAtMs);
    if (end !== undefined) await sleep(afterMs);
    await callers.stop();
    return report(callers.seen, { beganAtMs, endedAtMs, backAtMs });
  } finally {
    await callers.stop().catch(() => {});
  }
}

/** Resolves with when the cloud's answers were there, of calls since then. */
async function back(callers: Callers, sinceMs: number): Promise<number> {
  let atMs: number | undefined;
  const isBack = () => {
    atMs = callers.backAtMs(sinceMs);
    return atMs !== undefined;
  };
  await waitUntil(isBack, "the cloud's answers", { everyMs: 50 });
  return atMs ?? Number.POSITIVE_INFINITY;
}

interface Moments {
  readonly beganAtMs: number;
  readonly endedAtMs: number;
  readonly backAtMs: number;
}

function report(seen: readonly Seen[], { beganAtMs, endedAtMs, backAtMs }: Moments): Report {
  const before = seen.filter(({ answeredAtMs }) => answeredAtMs < beganAtMs);
  const after = seen.filter(({ askedAtMs }) => askedAtMs >= backAtMs);
  const during = seen.filter((one) => !before.includes(one) && !after.includes(one));
  const phases = Object.entries({ before, during, after }).filter(([, { length }]) => length > 0);
  for (const [name, answers] of phases) checkLatencies(name, answers);
  for (const calm of [before, after]) checkCalm(calm);
  const reasons = countWays(during.flatMap(({ answer }) => (answer.degraded ? [answer] : [])));
  assert.ok(Object.keys(reasons).length > 0, 'the trouble was felt');
  return {
    reasons,
    phases: phases.map(([name, answers]) => `${name} ${summary(answers)}`).join('; '),
    ...(Number.isFinite(backAtMs) && { backAfter: `${((backAtMs - endedAtMs) / 1000).toFixed(1)} s` }),
  };
}

function checkLatencies(phase: string, seen: readonly Seen[]): void {
  const latencies = seen.map(({ answer }) => answer.latencyMs).sort((one, other) => one - other);
  const median = latencies[Math.floor(latencies.length / 2)] ?? 0;
  const slowest = latencies.at(-1) ?? 0;
  assert.ok(median <= budgetMs + marginMs, `${phase}: half of the answers within ${median} ms`);
  assert.ok(slowest <= budgetMs + marginMs + slackMs, `${phase}: the slowest after ${slowest} ms`);
}

/** While there is no trouble the cloud answers, whenever the machine lets it. */
function checkCalm(seen: readonly Seen[]): void {
  const degraded = seen.filter(({ answer }) => answer.degraded).map(({ answer }) => answer.reason ?? '');
  assert.ok(degraded.length <= seen.length / 2, `${degraded.length} of ${seen.length} are degraded`);
  const others = degraded.filter((reason) => !calmReasons.includes(reason));
  assert.equal(others, [], 'without any trouble');
}

function summary(seen: readonly Seen[]): string {
  const cloud = seen.filter(({ answer }) => !answer.degraded).length;
  const slowestMs = Math.max(...seen.map(({ answer }) => answer.latencyMs));
  return `${cloud} of ${seen.length} by the cloud, slowest ${slowestMs.toFixed(0)} ms`;
}
