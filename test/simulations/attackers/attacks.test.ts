import { describe, expect, it } from 'vitest';
import { attacks } from '../../../simulations/attackers/attacks.ts';
import { Draws } from '../../../simulations/attackers/draw.ts';
import { measure } from '../../../simulations/attackers/measure.ts';
import { cosigned, nameOf, usual, usualAlone } from '../../../simulations/attackers/policies.ts';

const draws = new Draws(200, 300, 'attacks');

function attacked(name: string, over: { share?: number; oneVote?: boolean } = {}, policy = usualAlone) {
  const attack = attacks.find((one) => one.name === name);
  if (attack === undefined) throw new Error(`no attack is called ${name}`);
  const { share = 0.3, oneVote = true } = over;
  return measure(attack, policy, { draws, share, oneVote }, 300, 'attacks');
}

describe('attackers', () => {
  it('that tamper each in their own way never agree', () => {
    expect(attacked('independent tamperers').agreed).toBe(0);
    expect(attacked('independent tamperers').noticed.operators).toBe(1);
  });

  it('with many keys on one invite win where each key votes, and only there', () => {
    expect(attacked('many keys').agreed).toBe(0);
    expect(attacked('many keys', { oneVote: false }).agreed).toBeGreaterThan(0.15);
  });

  it('that copy win where receipts are not sealed, and only there', () => {
    expect(attacked('copiers').agreed).toBe(0);
    expect(attacked('copiers, receipts not sealed').agreed).toBeGreaterThan(0.02);
  });

  it('that stall others win more often', () => {
    const { agreed } = attacked('many invites');
    expect(attacked('colluders that stall').agreed).toBeGreaterThan(1.5 * agreed);
  });

  it('with the controller win nearly always', () => {
    expect(attacked('controller invents operators').trusted).toBe(1);
    expect(attacked('controller grinds the seed').trusted).toBeGreaterThan(0.95);
  });

  it('never get a co-signature, unless the trusted worker is theirs', () => {
    for (const { name } of attacks)
      for (const policy of cosigned) {
        const theirs = name.startsWith('trusted worker taken over');
        expect({ name, policy: nameOf(policy), wins: attacked(name, {}, policy).trusted > 0 }).toEqual({
          name,
          policy: nameOf(policy),
          wins: theirs,
        });
      }
  });

  it('are noticed by the trusted worker where no operator built something else', () => {
    const { noticed } = attacked('careful colluders', {}, usual);
    expect(noticed.nobody).toBe(0);
    expect(noticed.trusted).toBeGreaterThan(0);
    expect(attacked('careful colluders').noticed.nobody).toBeCloseTo(noticed.trusted, 1);
  });

  it('have their artifact stand as agreed until a slow trusted worker comes, or for good where none does', () => {
    expect(attacked('trusted worker slow', {}, usual).exposedHours).toBeGreaterThan(9);
    const dead = attacked('trusted worker dead', {}, usual);
    expect([dead.trusted, dead.honest]).toEqual([0, 0]);
    expect(dead.agreed).toBeGreaterThan(0.1);
  });
});
