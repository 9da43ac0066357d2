import { addToSet, dropFrom } from '../base/maps.ts';

/** Passes the machine's replies to the sessions that wait for them, by token. */
export class Replies<Answer> {
  readonly #waiting = new Map<string, (reply: Answer) => void>();
  #opened = 0;

  /** A token for several replies, until `drop`. */
  open(answer: (reply: Answer) => void): string {
    const token = `t${++this.#opened}`;
    this.#waiting.set(token, answer);
    return token;
  }

  drop(token: string): void {
    this.#waiting.delete(token);
  }

  /** Dispatches an event and resolves to its reply. The machine replies within the dispatch, or not at all. */
  async ask(dispatch: (token: string) => Promise<void>): Promise<Answer | undefined> {
    let answer: Answer | undefined;
    const token = this.open((reply) => {
      answer = reply;
    });
    await dispatch(token);
    this.drop(token);
    return answer;
  }

  answer(token: string, reply: Answer): void {
    this.#waiting.get(token)?.(reply);
  }
}

/** Sessions that follow a run live. */
export class Followers {
  readonly #followers = new Map<string, Set<() => void>>();

  /** Calls `listener` whenever the run's history has grown, until the returned function is called. */
  follow(run: string, listener: () => void): () => void {
    addToSet(this.#followers, run, listener);
    return () => dropFrom(this.#followers, run, listener);
  }

  notify(run: string): void {
    for (const listener of this.#followers.get(run) ?? []) listener();
  }
}
