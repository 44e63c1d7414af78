/** What can be in a set of this kind, one at a time. */
export interface Placed {
  /** Where it is there; kept by the set, -1 outside of it. */
  place: number;
}

/**
 * A set for what comes and goes with every request. Members know their places, and the last one
 * takes the place of one that leaves.
 *
 * Why not a `Set`: it makes its table anew after every so many changes, and each old table refers
 * to the next one. Once one of them has become old enough for the garbage collector to leave it
 * alone, all later ones live on with whatever was in them, until a full collection: half of what
 * the balancer allocated was kept so and copied about, a fifth of its processor time.
 */
export class SwapSet<Member extends Placed> {
  readonly #members: Member[] = [];

  /** Does nothing where it is in already. */
  add(member: Member): void {
    if (member.place < 0) member.place = this.#members.push(member) - 1;
  }

  /** Does nothing where it is not in. */
  delete(member: Member): void {
    const { place } = member;
    if (place < 0) return;
    member.place = -1;
    const last = this.#members.pop();
    if (last === undefined || last === member) return;
    this.#members[place] = last;
    last.place = place;
  }

  clear(): void {
    for (const member of this.#members.splice(0)) member.place = -1;
  }

  /**
   * Visits all members, in no order. A visit may take members out, its own or others; those that it
   * puts in are not visited.
   */
  visit(look: (member: Member) => void): void {
    // From the end: who takes the place of one that left has had its visit.
    for (let place = this.#members.length - 1; place >= 0; place--) {
      const member = this.#members[place];
      if (member !== undefined) look(member);
    }
  }
}
