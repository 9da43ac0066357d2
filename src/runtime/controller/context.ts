import { randomUUID } from 'node:crypto';
import type { ControllerEvent, Reply } from '../../core/controller/events.ts';
import type { Controller } from '../../core/controller/machine.ts';
import type { OfferNotice } from '../../core/wire/messages.ts';
import type { Mesh } from '../../mesh/index.ts';
import type { Store } from '../../store/index.ts';
import type { Bundles } from '../artifacts/bundles.ts';
import type { ProjectFolder } from '../membership/project-folder.ts';
import type { Tell } from '../node/node-events.ts';
import type { LiveLogs } from './live-logs.ts';

/** Whoever waits for the machine's answers to one token. */
export class Replies {
  readonly #waiting = new Map<string, (reply: Reply) => void>();

  /** Until `drop`: a claim is answered more than once. */
  open(answer: (reply: Reply) => void): string {
    const token = randomUUID();
    this.#waiting.set(token, answer);
    return token;
  }

  drop(token: string): void {
    this.#waiting.delete(token);
  }

  /** The machine answers within its turn, so nothing here can wait for ever. */
  ask(dispatch: (token: string) => void): Reply | undefined {
    let answer: Reply | undefined;
    const token = this.open((reply) => {
      answer = reply;
    });
    dispatch(token);
    this.drop(token);
    return answer;
  }

  answer(token: string, reply: Reply): void {
    this.#waiting.get(token)?.(reply);
  }
}

/** Those who follow a run live. */
export class Followers {
  readonly #followers = new Map<string, Set<() => void>>();

  follow(run: string, listener: () => void): () => void {
    const listeners = this.#followers.get(run) ?? new Set();
    this.#followers.set(run, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#followers.delete(run);
    };
  }

  /** Its history has grown. */
  tell(run: string): void {
    for (const listener of this.#followers.get(run) ?? []) listener();
  }
}

/** What the controller's protocols share. */
export interface ControllerContext {
  folder: ProjectFolder;
  machine: Controller;
  dispatch(event: ControllerEvent): void;
  replies: Replies;
  followers: Followers;
  mesh: Mesh;
  store: Store;
  bundles: Bundles;
  logs: LiveLogs;
  /** Open offers by id, as they are gossiped and pulled. */
  backlog: Map<string, OfferNotice>;
  /** Where the same can be had by HTTP; empty where it cannot. */
  feedUrls: string[];
  tell: Tell;
}
