/** Who is in the crowd. */
export const names: readonly string[] = [
  ...["ada", "alan", "barbara", "claude", "dennis", "donald", "edsger", "frances", "grace"],
  ...["hedy", "ida", "joan", "karen", "katherine", "ken", "leslie", "linus", "margaret"],
  ...["niklaus", "radia", "robin", "rozsa", "shafi", "sophie", "tim", "tony", "vint", "whit"],
];

const sentences = [
  "The race is the channel that leads the water to the wheel.",
  "A queue is a promise about order.",
  "It works on my machine, and on the other two as well.",
  "Measured twice, cut once, measured again.",
  "Has anybody seen my semicolon?",
  "Small files, short functions, long walks.",
  "The log knows.",
  "Somebody pulled the plug, and nothing happened.",
  "Tea first, then the release.",
  "Order per key, even on a Monday.",
];

const greetings = ["what do you think", "thank you for the review", "look at this", "hello"];

const followedEach = 6;
const mentionPercent = 40;

/** Made-up people and what they do; the same generator makes the same crowd. */
export class Crowd {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Who follows whom: six of the others, for each. */
  follows(): { user: string; follows: string }[] {
    return names.flatMap((user) => {
      const others = new Set(Array.from({ length: followedEach }, () => this.#pick(names)));
      others.delete(user);
      return [...others].map((follows) => ({ user, follows }));
    });
  }

  post(): { author: string; text: string } {
    const author = this.#pick(names);
    const sentence = this.#pick(sentences);
    if (this.#random() * 100 >= mentionPercent) return { author, text: sentence };
    return { author, text: `@${this.#pick(names)}, ${this.#pick(greetings)}: ${sentence}` };
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new Error("There is nothing to pick from.");
    return item;
  }
}
