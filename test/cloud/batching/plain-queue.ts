import { type BatchingPolicy, priorityLevel } from '../../../cloud/batching/index.ts';
import type { Named } from './source.ts';

interface Waiting {
  readonly ticket: Named;
  readonly level: number;
  readonly arrival: number;
  endsMs: number;
  delayed: boolean;
  /** When it joined its section. */
  joined: number;
}

interface Served {
  rows: number;
  turn: number;
}

/** The clients of one section: of one priority, those in time or those delayed. */
interface Section {
  readonly clients: Map<string, Served>;
  most: number;
}

/** What a lane should do, written down without a thought for speed. */
export class PlainQueue {
  readonly #policy: BatchingPolicy;
  readonly #sections = new Map<string, Section>();
  #waiting: Waiting[] = [];
  #count = 0;

  constructor(policy: BatchingPolicy) {
    this.#policy = policy;
  }

  get tickets(): Named[] {
    return this.#waiting.map(({ ticket }) => ticket);
  }

  get rows(): number {
    return sumOfRows(this.tickets);
  }

  isFullFor(ticket: Named): boolean {
    const level = priorityLevel(this.#policy, ticket.priority);
    const most = this.#policy.queuePolicies[level - 1]?.maxQueuedRequests ?? 0;
    return this.#waiting.filter((one) => one.level === level).length >= most;
  }

  offer(ticket: Named): void {
    const level = priorityLevel(this.#policy, ticket.priority);
    const own = this.#policy.queuePolicies[level - 1];
    const standard = own?.defaultTimeoutMicros || Number.POSITIVE_INFINITY;
    const asked = (own?.allowTimeoutOverride && ticket.timeoutMicros) || Number.POSITIVE_INFINITY;
    const endsMs = Math.min(ticket.deadlineMs, ticket.queuedAtMs + Math.min(standard, asked) / 1000);
    const arrival = this.#count++;
    this.#join({ ticket, level, arrival, endsMs, delayed: false, joined: arrival });
  }

  cancel(ticket: Named): void {
    this.#leave(ticket);
  }

  /** Delays what is late, and gives what has expired, in order. */
  sweep(nowMs: number): Named[] {
    const over = this.#waiting.filter(({ endsMs }) => endsMs <= nowMs);
    over.sort((one, other) => one.endsMs - other.endsMs || one.arrival - other.arrival);
    const expired: Named[] = [];
    for (const one of over) {
      this.#leave(one.ticket);
      const action = this.#policy.queuePolicies[one.level - 1]?.timeoutAction;
      if (action === 'DELAY' && one.ticket.deadlineMs > nowMs) {
        this.#join({ ...one, delayed: true, joined: this.#count++, endsMs: one.ticket.deadlineMs });
      } else expired.push(one.ticket);
    }
    return expired;
  }

  /** All that waits in the order in which it would be served, served on a copy. */
  order(): Named[] {
    const copy = new PlainQueue(this.#policy);
    copy.#waiting = [...this.#waiting];
    copy.#count = this.#count;
    for (const [name, { clients, most }] of this.#sections) {
      const cloned = new Map([...clients].map(([client, served]) => [client, { ...served }]));
      copy.#sections.set(name, { clients: cloned, most });
    }
    const order: Named[] = [];
    for (let next = copy.serve(); next !== undefined; next = copy.serve()) order.push(next);
    return order;
  }

  /** Serves the one that is next. */
  serve(): Named | undefined {
    const [first] = this.#waiting
      .map(({ level, delayed }) => 2 * level + Number(delayed))
      .sort((a, b) => a - b);
    const candidates = this.#waiting.filter(({ level, delayed }) => 2 * level + Number(delayed) === first);
    const servedOf = (one: Waiting) =>
      this.#section(one).clients.get(one.ticket.client) ?? { rows: Number.NaN, turn: Number.NaN };
    candidates.sort((one, other) => {
      const [mine, its] = [servedOf(one), servedOf(other)];
      return mine.rows - its.rows || mine.turn - its.turn || one.joined - other.joined;
    });
    const [next] = candidates;
    if (next === undefined) return undefined;
    const section = this.#section(next);
    const served = servedOf(next);
    served.rows += next.ticket.rows;
    served.turn = this.#count++;
    section.most = Math.max(section.most, served.rows);
    this.#leave(next.ticket);
    return next.ticket;
  }

  #section({ level, delayed }: Waiting): Section {
    const name = `${level} ${delayed}`;
    const section = this.#sections.get(name) ?? { clients: new Map<string, Served>(), most: 0 };
    this.#sections.set(name, section);
    return section;
  }

  #join(one: Waiting): void {
    const { clients, most } = this.#section(one);
    const { client } = one.ticket;
    if (!clients.has(client)) clients.set(client, { rows: most, turn: this.#count++ });
    this.#waiting.push(one);
    this.#waiting.sort((a, b) => a.arrival - b.arrival);
  }

  #leave(ticket: Named): void {
    const gone = this.#waiting.find((one) => one.ticket === ticket);
    if (gone === undefined) return;
    this.#waiting = this.#waiting.filter((one) => one !== gone);
    const section = this.#section(gone);
    const isLast = this.#waiting.every(
      (one) => this.#section(one) !== section || one.ticket.client !== ticket.client,
    );
    if (isLast) section.clients.delete(ticket.client);
  }
}

export function sumOfRows(tickets: readonly { readonly rows: number }[]): number {
  return tickets.reduce((sum, { rows }) => sum + rows, 0);
}
