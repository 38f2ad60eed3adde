/** What a member keeps for its heap: its place there, -1 outside. A member stands in one heap at a time. */
export interface HeapMember {
  heapPlace: number;
}

/**
 * A binary heap whose members know their places, so that any of them can be taken out or moved in O(log n) and not only
 * the first.
 */
export class IndexedHeap<M extends HeapMember> {
  readonly #isBefore: (one: M, other: M) => boolean;
  readonly #members: M[] = [];

  constructor(isBefore: (one: M, other: M) => boolean) {
    this.#isBefore = isBefore;
  }

  get first(): M | undefined {
    return this.#members[0];
  }

  /** The member at a place; those behind it begin at `2 * place + 1` and `2 * place + 2`. */
  at(place: number): M | undefined {
    return this.#members[place];
  }

  add(member: M): void {
    this.#members.push(member);
    this.#rise(member, this.#members.length - 1);
  }

  remove(member: M): void {
    const place = member.heapPlace;
    const last = this.#members.pop();
    member.heapPlace = -1;
    if (last === undefined || last === member) return;
    this.#settle(last, place);
  }

  /** Puts a member in order again whose rank has changed. */
  update(member: M): void {
    this.#settle(member, member.heapPlace);
  }

  /**
   * All members for which something holds that, where it holds for a member, holds for those before it; in no order. Looks
   * at these and at most as many others, and one.
   */
  allWhile(holds: (member: M) => boolean): M[] {
    const found: M[] = [];
    const places = [0];
    for (let place = places.pop(); place !== undefined; place = places.pop()) {
      const member = this.#members[place];
      if (member === undefined || !holds(member)) continue;
      found.push(member);
      places.push(2 * place + 1, 2 * place + 2);
    }
    return found;
  }

  #settle(member: M, place: number): void {
    const parent = this.#members[(place - 1) >> 1];
    if (place > 0 && parent !== undefined && this.#isBefore(member, parent)) this.#rise(member, place);
    else this.#sink(member, place);
  }

  #rise(member: M, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#members[above];
      if (parent === undefined || !this.#isBefore(member, parent)) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(member, place);
  }

  #sink(member: M, from: number): void {
    let place = from;
    for (;;) {
      const below = this.#firstChild(place);
      const child = this.#members[below];
      if (child === undefined || !this.#isBefore(child, member)) break;
      this.#put(child, place);
      place = below;
    }
    this.#put(member, place);
  }

  #firstChild(place: number): number {
    const left = 2 * place + 1;
    const [one, other] = [this.#members[left], this.#members[left + 1]];
    return one !== undefined && other !== undefined && this.#isBefore(other, one) ? left + 1 : left;
  }

  #put(member: M, place: number): void {
    this.#members[place] = member;
    member.heapPlace = place;
  }
}
