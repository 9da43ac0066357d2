import type { Grant, Verified } from '../src/core/documents/index.ts';
import type { Worker } from '../src/core/worker/machine.ts';
import type { End, Node } from './network.ts';
import type { Observation } from './observer.ts';
import type { Reader } from './reader.ts';
import type { Behaviour, Work } from './scenario.ts';

export interface WorkerOptions {
  name: string;
  behaviour: Behaviour;
  reader: Reader;
  observe: (seen: Observation) => Promise<void>;
  controller: Node;
  invite: string;
  /** Known beforehand, or undefined: the worker enrols by itself. */
  grant: Verified<Grant> | undefined;
  workOf: (job: string) => Work;
  /** Grants of others, for those who try with them. */
  foreignGrants: () => readonly string[];
  fresh: (id: string) => Worker;
}

/** One stream to the controller. */
export interface Session {
  end: End;
  offer: string;
  lease: string | undefined;
  resumes: boolean;
}

/** What a key built on a lease, as the checkers compare it. */
export interface Built {
  key: string;
  result: string;
}
