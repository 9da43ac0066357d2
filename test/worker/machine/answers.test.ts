import { describe, expect, it } from 'vitest';
import type { WorkerEvent } from '../../../src/worker/machine/events.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';

const at = 1_000_000;
const id = (n: number) => n.toString(16).padStart(64, '0');

function checked(
  request: number,
  verdict: number,
  over: Partial<WorkerEvent & { kind: 'answer-checked' }> = {},
) {
  return {
    kind: 'answer-checked' as const,
    request: id(request),
    verdict: id(verdict),
    iat: at,
    exp: at + 3600,
    ok: true,
    code: 'OK',
    message: '',
    ...over,
  };
}

/** A machine whose journal is replayed into a new one at each `restart`. */
function makeWorker() {
  let worker = new Worker('trusted');
  const journal: { event: WorkerEvent; now: number }[] = [];
  return {
    say(event: WorkerEvent, seconds = at + 60) {
      const { effects, durability } = worker.handle(event, seconds * 1000);
      if (durability !== 'none') journal.push({ event, now: seconds * 1000 });
      const [effect] = effects;
      if (effects.length !== 1 || effect === undefined) throw new Error('each is answered once');
      return effect.kind === 'refuse-answer' ? [effect.code, durability] : [effect.kind, durability];
    },
    restart() {
      worker = new Worker('trusted');
      for (const { event, now } of journal) worker.handle(event, now);
    },
  };
}

describe('a trusted worker', () => {
  it('signs one answer to a request, which is on disk first', () => {
    const { say } = makeWorker();
    expect(say(checked(1, 1))).toEqual(['sign-answer', 'sync']);
    expect(say(checked(1, 2))).toEqual(['COSIGN_ANSWERED', 'none']);
    expect(say(checked(2, 2))).toEqual(['sign-answer', 'sync']);
  });

  it('signs the same one again, whose signature was lost on the way', () => {
    const { say } = makeWorker();
    say(checked(1, 1));
    expect(say(checked(1, 1))).toEqual(['sign-answer', 'none']);
  });

  it('remembers it after a restart', () => {
    const { say, restart } = makeWorker();
    say(checked(1, 1));
    restart();
    expect(say(checked(1, 2))).toEqual(['COSIGN_ANSWERED', 'none']);
  });

  it('passes on why the evidence of one does not hold, and remembers nothing of it', () => {
    const { say } = makeWorker();
    expect(say(checked(1, 1, { ok: false, code: 'OFFER_DROPPED' }))).toEqual(['OFFER_DROPPED', 'none']);
    expect(say(checked(1, 2))).toEqual(['sign-answer', 'sync']);
  });

  it('signs none of a request that has not begun or is over by its own clock', () => {
    const { say } = makeWorker();
    expect(say(checked(1, 1), at - 61)).toEqual(['DOC_FROM_FUTURE', 'none']);
    expect(say(checked(1, 1), at - 60)).toEqual(['sign-answer', 'sync']);
    expect(say(checked(2, 1), at + 3660)).toEqual(['sign-answer', 'sync']);
    expect(say(checked(3, 1), at + 3661)).toEqual(['REQUEST_OVER', 'none']);
  });

  it('forgets it with the end of the request, when it would sign no other one anyway', () => {
    const { say } = makeWorker();
    say(checked(1, 1));
    expect(say(checked(1, 2), at + 3660)).toEqual(['COSIGN_ANSWERED', 'none']);
    expect(say(checked(1, 2), at + 3661)).toEqual(['REQUEST_OVER', 'none']);
    // Only to see that it is forgotten, and not before: no publisher can sign a request anew without another id.
    say(checked(2, 2));
    expect(say(checked(2, 3, { exp: at + 10_000 }), at + 3660)).toEqual(['COSIGN_ANSWERED', 'none']);
    expect(say(checked(1, 2, { exp: at + 10_000 }), at + 3800)).toEqual(['sign-answer', 'sync']);
  });

  it('remembers a bounded number of one publisher, and signs further ones of others', () => {
    const { say } = makeWorker();
    const max = 10_000;
    for (let n = 0; n < max; n++) say(checked(n, n, { publisher: 'mallory' }));
    expect(say(checked(max, max, { publisher: 'mallory' }))).toEqual(['COSIGN_ANSWERS_FULL', 'none']);
    expect(say(checked(max, max, { publisher: 'ada' }))).toEqual(['sign-answer', 'sync']);
    const over = { iat: at + 4000, exp: at + 8000, publisher: 'mallory' };
    expect(say(checked(max + 1, max, over), at + 4000)).toEqual(['sign-answer', 'sync']);
  });

  it('remembers a bounded number, and signs no further one while they last', () => {
    const { say } = makeWorker();
    for (let n = 0; n < 50_000; n++) say(checked(n, n));
    const one = 50_000;
    expect(say(checked(one, one))).toEqual(['COSIGN_ANSWERS_FULL', 'none']);
    expect(say(checked(0, one))).toEqual(['COSIGN_ANSWERED', 'none']);
    expect(say(checked(one, one, { iat: at + 4000, exp: at + 8000 }), at + 4000)).toEqual([
      'sign-answer',
      'sync',
    ]);
  });
});
