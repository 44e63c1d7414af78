import { type Address, formatAddress } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import { GatewayMember, type GatewaySnapshot, type MemberOptions } from "./gateway-member.ts";
import { createPicker, type Picker, type Policy } from "./picker.ts";

/** A gateway by its name and where it listens. */
export interface GatewayAddress {
  readonly name: string;
  readonly address: Address;
}

export interface GatewaysOptions extends Omit<MemberOptions, "changed"> {
  readonly policy: Policy;
}

/** The gateways that requests are spread over. */
export class Gateways implements AsyncDisposable {
  readonly #options: GatewaysOptions;
  readonly #pick: Picker;
  #members: readonly GatewayMember[] = [];
  /** Kept ready, because it is asked for with each request. */
  #eligible: readonly GatewayMember[] = [];

  constructor(options: GatewaysOptions) {
    this.#options = options;
    this.#pick = createPicker(options.policy);
  }

  /**
   * The gateway for a request, or for another attempt of it: none of `tried`, and `avoided` only
   * where there is no other. Where no gateway seems fit, one that does not is better than none.
   */
  pick(tried: ReadonlySet<GatewayMember>, avoided?: GatewayMember): GatewayMember | undefined {
    if (tried.size === 0 && avoided === undefined && this.#eligible.length > 0) {
      return this.#pick(this.#eligible);
    }
    const fit = this.#eligible.filter((member) => !tried.has(member));
    const others = fit.filter((member) => member !== avoided);
    if (others.length > 0) return this.#pick(others);
    if (fit.length > 0) return this.#pick(fit);
    const left = this.#members.filter((member) => !member.isDraining && !tried.has(member));
    return this.#pick(left);
  }

  /** What is new is added, what is absent lets its requests finish, the rest stays as it is. */
  set(addresses: readonly GatewayAddress[]): void {
    const before = this.#members;
    this.#members = addresses.map(({ name, address }) => {
      const known = before.find((member) => member.name === name);
      const isSame = known && formatAddress(known.address) === formatAddress(address);
      return isSame ? known : this.#create(name, address);
    });
    for (const member of before) {
      if (!this.#members.includes(member)) void member[Symbol.asyncDispose]();
    }
    this.#refresh();
  }

  /** Probes every gateway once. */
  async probe(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.probe()));
  }

  /** @throws MR_USAGE where there is no gateway of this name */
  member(name: string): GatewayMember {
    const member = this.#members.find((candidate) => candidate.name === name);
    if (member !== undefined) return member;
    const names = this.#members.map((candidate) => candidate.name).join(", ");
    throw new MillraceError("MR_USAGE", `There is no gateway ${name}.`, {
      remedy: `There are: ${names}.`,
    });
  }

  snapshot(): GatewaySnapshot[] {
    return this.#members.map((member) => member.snapshot());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member[Symbol.asyncDispose]()));
  }

  #create(name: string, address: Address): GatewayMember {
    return new GatewayMember(name, address, { ...this.#options, changed: () => this.#refresh() });
  }

  #refresh(): void {
    this.#eligible = this.#members.filter((member) => member.isEligible);
  }
}
