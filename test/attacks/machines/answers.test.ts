import { describe, expect, it } from 'vitest';
import { answerAttacks, answerScenario } from '../../../simulations/answer-bugs.ts';
import { bugs } from '../../../simulations/bugs.ts';
import { allCheckers } from '../../../simulations/checkers/index.ts';
import { calm } from '../../../simulations/rates.ts';
import { simulate } from '../../../simulations/simulate.ts';
import type { Patches } from '../../../simulations/world.ts';

/** Somebody with the controller's key gives a request another place in the log. */
async function attack(patches: () => Patches) {
  const checkers = () => allCheckers().filter(({ invariant }) => invariant === 'answers');
  const found = await simulate(6, { scenario: answerScenario, rates: calm, checkers, patches, once: true });
  const refusals = found.trace.filter((line) => /answer-checked .* -> refuse-answer/.test(line));
  return {
    failed: found.failure?.message,
    refusals: refusals.map((line) => /checked (\S+)/.exec(line)?.[1]),
  };
}

describe('a controller that gives a request another place in the log', () => {
  it('by a second answer: the trusted worker signed one', async () => {
    const controller = answerAttacks['a second answer to a request'];
    const { failed, refusals } = await attack(() => ({ controller }));
    expect(failed).toBeUndefined();
    expect(refusals.length).toBeGreaterThan(0);
  });

  it('control: gets it from a trusted worker that remembers none', async () => {
    const { failed } = await attack(bugs['answer-signed-twice']?.patches ?? (() => ({})));
    expect(failed).toContain('two answers');
  });

  it('by the verdict that it has: its rounds are in the log', async () => {
    const controller = answerAttacks['a verdict that rests on its own request'];
    const { failed, refusals } = await attack(() => ({ controller }));
    expect(failed).toBeUndefined();
    expect(refusals).toContain('OFFER_DROPPED');
  });

  it('control: gets it from a trusted worker that signs what does not hold', async () => {
    const { failed } = await attack(bugs['answer-signed-unread']?.patches ?? (() => ({})));
    expect(failed).toContain('its own verdict');
  });
});
