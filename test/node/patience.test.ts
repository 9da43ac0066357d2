import { describe, expect, it } from 'vitest';
import { meshLimits } from '../../src/mesh/limits.ts';
import { isUnread, Patience, patiently } from '../../src/node/patience.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';

const error = (code: string, says = code, cause?: unknown) => reportedError(code, says, { cause });
const signal = new AbortController().signal;
const minute = 60_000;

const reasons: [string, number, RegExp][] = [
  ['MESH_PEER_QUOTA', 10 * minute, /too many commands of this home/],
  ['API_FOLLOWED_MAX', 10 * minute, /too many commands of this home/],
  ['MESH_BUSY', 10 * minute, /takes no more connections now/],
  ['MESH_FULL', 10 * minute, /takes no more connections now/],
  ['CONTROLLER_LOST', 2 * minute, /was lost: trying again for up to 120 s/],
];

/** Asks a peer that answers at once, with the codes in turn, on a clock that only waits move. Ends with the error of the wait. */
function ask(codes: string[], random = 0) {
  const told: string[] = [];
  const patience = new Patience({ signal, tell: (says) => told.push(says) }, true);
  const attempts: number[] = [];
  let ended: unknown;
  for (let now = 0; ended === undefined; ) {
    attempts.push(now);
    const code = codes[(attempts.length - 1) % codes.length] ?? '';
    try {
      now += patience.pause(error(code, `${attempts.length}`), now, random);
    } catch (thrown) {
      ended = thrown;
    }
  }
  return { attempts, told, ended };
}

describe('patience with a controller', () => {
  it.each(reasons)('after %s lasts %d ms, and ends with the error that began the wait', (code, ms, says) => {
    const patience = new Patience({ signal }, true);
    patience.pause(error(code, 'first'), 5, 0);
    patience.pause(error(code, 'second'), 5 + ms, 0);
    expect(() => patience.pause(error(code, 'third'), 6 + ms, 0)).toThrow('first');
    patience.progressed();
    patience.pause(error(code, 'fourth'), 7 + ms, 0);
    expect(ask([code]).told).toEqual([expect.stringMatching(says)]);
  });

  it('is told from a second on', () => {
    const told: string[] = [];
    const patience = new Patience({ signal, tell: (says) => told.push(says) }, false);
    patience.pause(error('MESH_BUSY'), 0, 0);
    patience.pause(error('MESH_BUSY'), 800, 0);
    expect(told).toEqual([]);
    patience.pause(error('MESH_BUSY'), 801, 0);
    expect(told).toHaveLength(1);
  });

  it('tells that a connection is back where it was told as lost, and only then', () => {
    const told: [string, string][] = [];
    const patience = new Patience({ signal, tell: (says, reason) => told.push([says, reason]) }, true);
    patience.pause(error('CONTROLLER_LOST'), 0, 0);
    patience.progressed();
    patience.pause(error('MESH_BUSY'), 0, 0);
    patience.pause(error('MESH_BUSY'), 5_000, 0);
    patience.progressed();
    expect(told.map(([, reason]) => reason)).toEqual(['crowded']);
    patience.pause(error('CONTROLLER_LOST'), 0, 0);
    patience.pause(error('CONTROLLER_LOST'), 5_000, 0);
    for (let n = 0; n < 2; n++) patience.progressed();
    expect(told.slice(1)).toEqual([
      [expect.stringMatching('was lost'), 'lost'],
      ['connected to the controller again', 'found'],
    ]);
  });

  it('makes few attempts in any second, and ever fewer, whatever is answered at once', () => {
    for (const codes of [...reasons.map(([code]) => [code]), ['MESH_BUSY', 'MESH_PEER_RATE']]) {
      const { attempts } = ask(codes);
      const inSecond = attempts.map((at) => attempts.filter((one) => one >= at && one < at + 1_000).length);
      expect(Math.max(...inSecond), String(codes)).toBeLessThanOrEqual(4);
      expect(attempts.at(-1), String(codes)).toBeLessThan(10 * minute + 7_500);
    }
    expect(ask(['MESH_BUSY']).attempts.length).toBeLessThan(260);
    expect(ask(['MESH_BUSY'], 0.99).attempts.length).toBeLessThan(100);
  });

  it('is not longer with one that has another reason each time', () => {
    expect(ask(['MESH_BUSY', 'CONTROLLER_LOST']).attempts.at(-1)).toBeLessThan(10 * minute + 7_500);
    const all = ask(['MESH_FULL', 'MESH_RESET', 'MESH_BUSY', 'CONTROLLER_LOST']);
    expect(all.ended).toMatchObject({ code: 'MESH_FULL', message: '1' });
    expect(all.told).toHaveLength(2);
  });

  it('comes back to a full one when the connection without a place has ended', () => {
    const pause = (code: string) => new Patience({ signal }, false).pause(error(code), 0, 0);
    expect(pause('MESH_FULL') - pause('MESH_BUSY')).toBe(meshLimits.fullMs);
  });

  it('waits for one that is busy at an address while another key answers at another one, after a search', () => {
    const busy = error('MESH_UNREACHABLE', 'at both', error('MESH_BUSY'));
    const nowhere = error('CONTROLLER_UNREACHABLE', 'no', busy);
    for (const one of [busy, nowhere]) {
      const patience = new Patience({ signal }, false);
      expect([isUnread(one), patience.pause(one, 0, 0.5)]).toEqual([true, 200]);
      patience.pause(one, 10 * minute, 0);
      expect(() => patience.pause(one, 10 * minute + 1, 0)).toThrow(one.message);
    }
    // The cause of a failure of another kind says nothing of whether the question was read.
    expect(isUnread(error('CONTROLLER_SILENT', 'no', error('MESH_BUSY')))).toBe(false);
  });

  it('spreads the attempts of those that begin together', () => {
    const at = (random: number) => new Patience({ signal }, false).pause(error('MESH_BUSY'), 0, random);
    expect([at(0), at(0.5), at(1)]).toEqual([100, 200, 300]);
  });

  it('of one that asks its members before it starts ends with whom it waits for', () => {
    const patience = new Patience({ signal }, false);
    patience.pause(error('CONTROLLER_ASKING', 'first'), 0, 0);
    expect(() => patience.pause(error('CONTROLLER_ASKING', 'for ada'), 3 * minute, 0)).toThrow('for ada');
  });

  it.each([
    ['one that was never reached', error('CONTROLLER_UNREACHABLE')],
    ['one that does not answer', error('CONTROLLER_UNREACHABLE', 'none', error('MESH_UNREACHABLE'))],
    ['what it refuses', error('KEY_NOT_ENROLLED')],
  ])('has none for %s', async (_, refused) => {
    await expect(new Patience({ signal }, false).wait(refused)).rejects.toBe(refused);
  });

  it('ends with whoever ends it', async () => {
    const unreached = error('CONTROLLER_UNREACHABLE');
    const stop = new AbortController();
    const ended = new Patience({ signal: stop.signal }, true);
    const wait = ended.wait(unreached);
    stop.abort();
    await expect(wait).rejects.toBe(unreached);
    await expect(ended.wait(unreached)).rejects.toBe(unreached);
  });
});

it('a question is asked again where it was not read, and in no other case', async () => {
  const unasked = error('CONTROLLER_UNREACHABLE', 'no', error('MESH_RESET'));
  for (const passing of [error('MESH_BUSY'), error('MESH_PEER_RATE'), unasked]) {
    let asked = 0;
    const act = async () => {
      asked += 1;
      if (asked === 1) throw passing;
      return asked;
    };
    expect(await patiently({ signal }, act, isUnread), passing.code).toBe(2);
  }
  expect(isUnread(error('MESH_FULL'))).toBe(true);
  for (const lost of [error('MESH_RESET'), error('CONTROLLER_SILENT'), error('CONTROLLER_UNREACHABLE')]) {
    const act = () => Promise.reject(lost);
    await expect(patiently({ signal }, act, isUnread), lost.code).rejects.toBe(lost);
  }
});
