/** A member's place in a chain; whoever keeps it can take the member out again at once. */
export interface Link<M> {
  readonly member: M;
  before: Link<M> | undefined;
  after: Link<M> | undefined;
}

/** Members in the order in which they came. Appending and removing, anywhere, take O(1). */
export class Chain<M> {
  #first: Link<M> | undefined;
  #last: Link<M> | undefined;

  get first(): Link<M> | undefined {
    return this.#first;
  }

  append(member: M): Link<M> {
    const link: Link<M> = { member, before: this.#last, after: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    return link;
  }

  /** Takes a link of this chain out; each may be taken out once. */
  remove({ before, after }: Link<M>): void {
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
  }
}
