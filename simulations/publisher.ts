import { encodeJob } from '../src/core/documents/index.ts';
import { codeOf } from '../src/core/errors.ts';
import { ask } from '../src/core/sessions/ask.ts';
import { Credentials } from '../src/core/sessions/credentials.ts';
import { join } from '../src/core/sessions/join.ts';
import type { Dial, Signing } from '../src/core/sessions/ports.ts';
import { fromUtf8 } from '../src/core/text.ts';
import type { Node } from './network.ts';
import { jobNamed, nonceOf, type Paperwork } from './paperwork.ts';
import type { Surroundings } from './process.ts';
import type { Work } from './scenario.ts';
import { controllerAt } from './worker-node.ts';

const publisherName = 'publisher';

/** The client that submits the jobs of a scenario. It never crashes. */
export class Publisher {
  readonly #around: Surroundings;
  readonly #paper: Paperwork;
  readonly #controller: Node;
  readonly #credentials: Credentials;

  private constructor(around: Surroundings, paper: Paperwork, controller: Node, credentials: Credentials) {
    this.#around = around;
    this.#paper = paper;
    this.#controller = controller;
    this.#credentials = credentials;
  }

  static async join(around: Surroundings, paper: Paperwork, controller: Node): Promise<Publisher> {
    const { documents, keys, time } = around;
    const signer = keys.signer(publisherName);
    const clock = { now: () => time.now };
    let nonces = 0;
    const signing: Signing = { signer, documents, nonce: () => nonceOf(`enrol publisher ${nonces++}`) };
    const invite = await paper.invite(publisherName, 'publisher', time.now);
    const joined = await join({ dial: dialOf(around, controller), signing, clock }, invite, [
      controllerAt(controller),
    ]);
    const credentials = await Credentials.open(signing, clock, joined, async () => {});
    return new Publisher(around, paper, controller, credentials);
  }

  ask(question: Parameters<typeof ask>[2]): ReturnType<typeof ask> {
    return ask(dialOf(this.#around, this.#controller), this.#credentials.membership.controllers, question);
  }

  /** Asks until it is told that the job was taken, however often that is. `signed` is told each request. */
  async submitLater(work: Work, told: { signed(request: string): void; accepted(): void }): Promise<void> {
    const { time, trace } = this.#around;
    const { job, jobId } = jobNamed(work.name, {
      limits: { ...jobNamed(work.name).job.limits, seconds: 300 },
      ...(work.test === true && { kind: 'test' }),
    });
    const at = time.now + work.submitAfterMs;
    const sign = async () => {
      const made = await this.#paper.request(publisherName, { job, jobId }, at, {
        policy: work.policy,
        seconds: work.expiresSeconds,
      });
      told.signed(made.id);
      trace.name(made.id, work.name);
      return made;
    };
    let request = await sign();
    const text = fromUtf8(encodeJob(job).bytes);
    const dial = dialOf(this.#around, this.#controller);
    const asked = async () => {
      // A request is made to one controller, which may have another key by now.
      if (request.payload.aud !== this.#paper.controller.id) request = await sign();
      await this.#credentials.renewDue(dial);
      const publisher = this.#credentials.grant.raw;
      return this.ask({ kind: 'submit', request: request.raw, publisher, job: text });
    };
    const submit = (): void => {
      asked().then(told.accepted, async (error) => {
        const code = codeOf(error);
        trace.write(time.now, publisherName, `${work.name}: ${code}`);
        if (code === 'GRANT_ISSUER_MISMATCH') await this.#credentials.renew(dial).catch(() => {});
        // An expired request will not be accepted any more.
        if (code === 'DOC_EXPIRED') told.accepted();
        else time.after(3_000, submit);
      });
    };
    time.at(at, submit);
    const { cancelAfterMs } = work;
    if (cancelAfterMs === undefined) return;
    // Asks once: it may get lost, come too late, or hit in the middle of anything.
    time.at(at + cancelAfterMs, () => {
      this.ask({ kind: 'cancel', which: request.id, reason: 'changed my mind' }).catch(() => {});
    });
  }
}

/** Finds the controller whatever its key. */
function dialOf({ network, keys }: Surroundings, controller: Node): Dial {
  const { id } = keys.signer(publisherName);
  const node: Node = { name: publisherName, id, up: true, life: 1, accept: () => {} };
  return (_peer, protocol) => network.dial(node, controller, protocol);
}
