import { codeOf } from '../src/protocol/base/errors.ts';
import { fromUtf8 } from '../src/protocol/base/text.ts';
import { encodeJob, type Request, type Verified } from '../src/protocol/documents/index.ts';
import { ask } from '../src/protocol/sessions/ask.ts';
import { Credentials } from '../src/protocol/sessions/credentials.ts';
import { join } from '../src/protocol/sessions/join.ts';
import type { Dial, Signing } from '../src/protocol/sessions/ports.ts';
import { followLogs } from './logs.ts';
import { controllerAt, type Node } from './network.ts';
import { jobNamed, nonceOf, type Paperwork, treeCid } from './paperwork.ts';
import { type Surroundings, startMs } from './process.ts';
import type { Random } from './random.ts';
import type { Work } from './scenario.ts';

const publisherName = 'publisher';

/** The client that submits the jobs of a scenario. It never crashes. */
export class Publisher {
  readonly #around: Surroundings;
  readonly #paper: Paperwork;
  readonly #controller: Node;
  readonly #credentials: Credentials;
  /** Requests that were taken, by the name of the job; null for one that expired before. */
  readonly #taken = new Map<string, string | null>();
  /** Names of jobs that are tests: nothing of them is read. */
  readonly #tests = new Set<string>();

  private constructor(around: Surroundings, paper: Paperwork, controller: Node, credentials: Credentials) {
    this.#around = around;
    this.#paper = paper;
    this.#controller = controller;
    this.#credentials = credentials;
  }

  static async join(around: Surroundings, paper: Paperwork, controller: Node): Promise<Publisher> {
    const { documents, keys, time } = around;
    await new Promise<void>((started) => {
      time.after(startMs, started);
    });
    const signer = keys.signer(publisherName);
    const clock = { now: () => time.now };
    let nonces = 0;
    const signing: Signing = { signer, documents, nonce: () => nonceOf(`enrol publisher ${nonces++}`) };
    const invite = await paper.invite(publisherName, 'publisher', time.now);
    const joined = await join({ dial: dialOf(around, controller), signing, clock }, { invite }, [
      controllerAt(controller),
    ]);
    const credentials = await Credentials.open(signing, clock, joined, async () => {});
    return new Publisher(around, paper, controller, credentials);
  }

  ask(question: Parameters<typeof ask>[2]): ReturnType<typeof ask> {
    return ask(dialOf(this.#around, this.#controller), this.#credentials.membership.controllers, question);
  }

  /** Some builds have begun by then, and some have not. */
  #followLater(run: string, told: NonNullable<Told['logs']>): void {
    const random = this.#around.random.fork(`logs of ${run}`);
    const dial = dialOf(this.#around, this.#controller, random);
    this.#around.time.after(random.int(0, 20_000), () => {
      const followed = followLogs(dial, controllerAt(this.#controller), run);
      followed.then((texts) => told(run, texts)).catch(() => {});
    });
  }

  /** Asks until the job was taken, after those that it needs. `signed` is told each request. */
  submitLater(work: Work, told: Told): void {
    const { time, trace } = this.#around;
    // The jobs of a pipeline are of one commit.
    const { source, limits } = jobNamed('project').job;
    const { job, jobId } = jobNamed(work.repeats ?? work.name, {
      source,
      limits: { ...limits, seconds: 300 },
      ...(work.portable === true && { image: treeCid('an image') }),
      ...(work.test === true && { kind: 'test' }),
    });
    if (work.test === true) this.#tests.add(work.name);
    const at = time.now + work.submitAfterMs;
    const text = fromUtf8(encodeJob(job).bytes);
    const dial = dialOf(this.#around, this.#controller);
    let request: Verified<Request> | undefined;
    let signedAt = at;
    const sign = async (needs: Request['needs']) => {
      request = await this.#paper.request(publisherName, { job, jobId }, signedAt, {
        policy: work.policy,
        seconds: work.expiresSeconds,
        needs,
        ...(work.rebuild === true && { rebuild: true }),
        ...(work.repeats !== undefined && { jti: nonceOf(`request ${work.name}`) }),
      });
      told.signed(request.id);
      trace.name(request.id, work.name);
      return request;
    };
    const asked = async (needs: Request['needs']): Promise<string> => {
      // A request is made to one controller, which may have another key by now.
      const made = request?.payload.aud === this.#paper.controller.id ? request : await sign(needs);
      await this.#credentials.renewDue(dial);
      const publisher = this.#credentials.grant.raw;
      await this.ask({ kind: 'submit', request: made.raw, publisher, job: text });
      return made.id;
    };
    const done = (id: string | null, refusal?: string): void => {
      this.#taken.set(work.name, id);
      told.settled(refusal);
      if (id !== null && told.logs !== undefined) this.#followLater(id, told.logs);
    };
    const submit = (): void => {
      const names = Object.keys(work.needs ?? {});
      // A request that was refused or lost makes no artifact, so its dependants are not submitted.
      if (names.some((name) => this.#taken.get(name) === null)) return done(null);
      if (names.some((name) => !this.#taken.has(name))) return void time.after(1_000, submit);
      const needs = names.map((name) => [
        name,
        {
          request: this.#taken.get(name) ?? '',
          level: work.needs?.[name] ?? 'trusted',
          ...(this.#tests.has(name) && { gate: true as const }),
        },
      ]);
      asked(names.length === 0 ? undefined : Object.fromEntries(needs)).then(
        (id) => done(id),
        async (error) => {
          const code = codeOf(error);
          trace.write(time.now, publisherName, `${work.name}: ${code}`);
          if (request !== undefined) told.refused(code, request.payload.exp * 1000);
          if (code === 'GRANT_ISSUER_MISMATCH') await this.#credentials.renew(dial).catch(() => {});
          // Its grant was renewed meanwhile, and is of later than the request: it asks anew, as a watcher does.
          if (code === 'GRANT_NOT_VALID_THEN') [request, signedAt] = [undefined, time.now];
          // An expired request will not be accepted any more, nor one that a restore lost, or that needs such a one.
          if (['DOC_EXPIRED', 'RUN_LOST', 'REQUEST_NEEDS_UNKNOWN'].includes(code)) done(null, code);
          else time.after(3_000, submit);
        },
      );
    };
    time.at(at, submit);
    const { cancelAfterMs } = work;
    if (cancelAfterMs === undefined) return;
    // Asks once: it may get lost, come too late, or hit in the middle of anything.
    time.at(at + cancelAfterMs, () => {
      if (request === undefined) return;
      this.ask({ kind: 'cancel', which: request.id, reason: 'changed my mind' }).catch(() => {});
    });
  }
}

interface Told {
  signed(request: string): void;
  /** The controller took the request, or it is given up: for this refusal, or with a request that it needs. */
  settled(refusal: string | undefined): void;
  /** `expiresAt`: of the request, in milliseconds. */
  refused(code: string, expiresAt: number): void;
  /** Of the logs of a run, which are followed where that is wanted. */
  logs: ((run: string, texts: ReadonlyMap<string, string>) => void) | undefined;
}

/** Finds the controller whatever its key. `random`: what becomes of messages, where that moves no other draw. */
function dialOf({ network, keys }: Surroundings, controller: Node, random?: Random): Dial {
  const { id } = keys.signer(publisherName);
  const node: Node = { name: publisherName, id, up: true, life: 1, accept: () => {} };
  return (_peer, protocol) => network.dial(node, controller, protocol, random);
}
