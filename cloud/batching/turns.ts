import { Chain, type Link } from './chain.ts';
import { type HeapMember, IndexedHeap } from './heap.ts';

/** A request as `Turns` needs it. It stands in one `Turns` at a time. */
export interface TurnTaker<M> {
  readonly client: string;
  readonly rows: number;
  /** Kept by the `Turns` that it stands in; undefined outside. */
  seat: Seat<M> | undefined;
}

/** Where a request stands. */
export interface Seat<M> {
  readonly line: ClientLine<M>;
  readonly link: Link<M>;
}

/** One client's requests, in order of arrival. */
interface ClientLine<M> extends HeapMember {
  readonly client: string;
  readonly requests: Chain<M>;
  waitingRows: number;
  /** Rows it was served, counted on from those of the client served most when it came. */
  servedRows: number;
  /** When it got to `servedRows`: of two clients with as many rows, the one that has waited longer is next. */
  turn: number;
}

interface Cursor<M> extends HeapMember {
  /** Place in the heap of lines where this look began; its two children join once it has been passed. */
  readonly from: number;
  servedRows: number;
  turn: number;
  next: Link<M>;
  passed: number;
}

/**
 * Requests of which clients take turns, counted in rows: the client that was served fewest rows is next, and within a client
 * the request that came first. While two clients both wait, the rows they are served never differ by more than the largest
 * request, however many requests either has waiting and however large they are.
 *
 * This is start-time fair queueing (Goyal, Vin, Cheng 1996) but for one rule: a client that comes anew counts as served as
 * much as the client served most, so it stands behind what the others have left of their turn, and never before them. A
 * client without requests can therefore be forgotten: nobody gains by leaving and coming back, and no stream of newcomers
 * keeps a client waiting for ever. Deficit round robin does the same in O(1), but lets clients drift apart by its quantum
 * besides, and with a quantum of one batch every turn fills a batch of its own.
 *
 * Adding and serving take O(log clients), removing O(1) or, for a client's last request, O(log clients).
 */
export class Turns<M extends TurnTaker<M>> {
  readonly #lines = new Map<string, ClientLine<M>>();
  readonly #next = new IndexedHeap<ClientLine<M>>(isBefore);
  #mostServedRows = 0;
  #turn = 0;
  #requests = 0;
  #rows = 0;

  get requests(): number {
    return this.#requests;
  }

  get rows(): number {
    return this.#rows;
  }

  add(request: M): void {
    const line = this.#lines.get(request.client) ?? this.#newcomer(request.client);
    request.seat = { line, link: line.requests.append(request) };
    line.waitingRows += request.rows;
    this.#requests++;
    this.#rows += request.rows;
  }

  /**
   * Rows that would be served before a new request of `rows` rows: what its client has waiting, and of every other client no more
   * than would be this client's then. O(clients).
   */
  rowsBefore(client: string, rows: number): number {
    const own = this.#lines.get(client)?.waitingRows ?? 0;
    let before = own;
    for (const line of this.#lines.values()) {
      if (line.client !== client) before += Math.min(line.waitingRows, own + rows);
    }
    return before;
  }

  /** Takes a request out that was not served; its client keeps its turn. */
  remove(request: M): void {
    const line = this.#unseat(request);
    if (line !== undefined && line.requests.first === undefined) this.#forget(line);
  }

  /** Takes the next request of `inOrder` out and counts its rows as served. */
  serve(request: M): void {
    const line = this.#unseat(request);
    if (line === undefined) return;
    line.servedRows += request.rows;
    line.turn = this.#turn++;
    this.#mostServedRows = Math.max(this.#mostServedRows, line.servedRows);
    if (line.requests.first === undefined) this.#forget(line);
    else this.#next.update(line);
  }

  /** The requests in the order in which they will be served if nothing changes; O(log clients) for each one asked for. */
  *inOrder(): Generator<M, void, undefined> {
    const cursors = new IndexedHeap<Cursor<M>>(isBefore);
    let turn = this.#turn;
    this.#look(cursors, 0);
    for (let cursor = cursors.first; cursor !== undefined; cursor = cursors.first) {
      const { member, after } = cursor.next;
      yield member;
      if (cursor.passed++ === 0) {
        this.#look(cursors, 2 * cursor.from + 1);
        this.#look(cursors, 2 * cursor.from + 2);
      }
      if (after === undefined) {
        cursors.remove(cursor);
        continue;
      }
      cursor.servedRows += member.rows;
      cursor.turn = turn++;
      cursor.next = after;
      cursors.update(cursor);
    }
  }

  /** Takes a request out of its client's line, and gives that. */
  #unseat(request: M): ClientLine<M> | undefined {
    const { seat } = request;
    if (seat === undefined) return undefined;
    request.seat = undefined;
    seat.line.requests.remove(seat.link);
    seat.line.waitingRows -= request.rows;
    this.#requests--;
    this.#rows -= request.rows;
    return seat.line;
  }

  #newcomer(client: string): ClientLine<M> {
    const line: ClientLine<M> = {
      client,
      requests: new Chain(),
      waitingRows: 0,
      servedRows: this.#mostServedRows,
      turn: this.#turn++,
      heapPlace: -1,
    };
    this.#lines.set(client, line);
    this.#next.add(line);
    return line;
  }

  #forget(line: ClientLine<M>): void {
    this.#lines.delete(line.client);
    this.#next.remove(line);
  }

  #look(cursors: IndexedHeap<Cursor<M>>, from: number): void {
    const line = this.#next.at(from);
    const next = line?.requests.first;
    if (line === undefined || next === undefined) return;
    const { servedRows, turn } = line;
    cursors.add({ from, servedRows, turn, next, passed: 0, heapPlace: -1 });
  }
}

interface Rank {
  readonly servedRows: number;
  readonly turn: number;
}

function isBefore(one: Rank, other: Rank): boolean {
  if (one.servedRows !== other.servedRows) return one.servedRows < other.servedRows;
  return one.turn < other.turn;
}
