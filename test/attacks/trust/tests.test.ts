import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import type { Policy } from '../../../src/protocol/documents/index.ts';
import { linksOf } from '../../../src/protocol/interop/index.ts';
import { checkContent } from '../../../src/protocol/trust/index.ts';
import { cidOf, exit, makeProject, type Recipe } from '../../support/project.ts';
import {
  decideWithout,
  receipt,
  trustedReceipt,
  verifyWithout,
  withCosign,
  withoutCosign,
} from './attack.ts';

const test = { kind: 'test' } as const;
const passed = (operator: string, slot: number, round = 1) => receipt(operator, slot, 'green', { round });
const failed = (operator: string, slot: number, round = 1) =>
  receipt(operator, slot, null, { round, outcome: exit(null, 1) });
const decide = decideWithout.bind(null, []);

describe('a test worker that says "passed" alone', () => {
  const votes = [passed('mallory', 0), failed('ada', 1), failed('bob', 2)];
  it('passes nothing: the others saw it fail', () => {
    expect(decide(withoutCosign, votes, test).level).toBe('failed');
    expect(decide(withoutCosign, votes.slice(0, 1), test).level).toBe('provisional');
  });
  it('control: where N need not agree, it passes the test', () => {
    for (const each of [votes.slice(0, 1), [...votes.slice(0, 2)]])
      expect(decideWithout(['agree'], withoutCosign, each, test)).toMatchObject({
        level: 'trusted',
        outcome: exit('green'),
      });
  });
});

describe('N colluders on a test', () => {
  const gang = [passed('mallory', 0), passed('trudy', 1), failed('ada', 2)];
  it('pass it where nobody co-signs, and no fewer than N do', () => {
    expect(decide(withoutCosign, gang, test).level).toBe('trusted');
    const tighter: Policy = { ...withoutCosign, agree: 3, of: 3 };
    expect(decide(tighter, gang, test).level).toBe('provisional');
  });
  it("do not where the owner asks for the co-signature: the trusted worker's own run fails", () => {
    expect(decide(withCosign, gang, test).level).toBe('agreed');
    const own = trustedReceipt(null, { outcome: exit(null, 1) });
    expect(decide(withCosign, [...gang, own], test)).toMatchObject({
      level: 'none',
      contradicted: [{ outcome: exit('green') }],
    });
  });
  it('control: succeed where the co-signature is not asked for', () => {
    expect(decideWithout(['co-signature'], withCosign, gang, test).level).toBe('trusted');
  });
  it('say nothing by saying nothing: a test that left no file is not passed without the co-signature', () => {
    const lazy = [receipt('mallory', 0, null), receipt('trudy', 1, null)];
    expect(decide(withoutCosign, lazy, test).level).toBe('agreed');
    expect(decideWithout(['empty-result'], withoutCosign, lazy, test).level).toBe('trusted');
  });
});

/** The bundle of a test that needs no co-signature, whose charter has this floor for tests. */
const ofTest = (over: Recipe = {}, testFloor: Policy = { ...withoutCosign, rounds: 2 }) =>
  makeProject({
    job: test,
    own: null,
    policy: withoutCosign,
    charter: (charter) => ({ ...charter, floor: withCosign, testFloor }),
    ...over,
  });

describe('a controller that asks fresh operators again until a test passes', () => {
  const runs = [
    { operator: 'ada', outcome: exit(null, 1) },
    { operator: 'bob', outcome: exit(null, 1) },
    { operator: 'mallory', builds: 'green', round: 2 },
    { operator: 'trudy', builds: 'green', round: 2 },
  ];
  const attack = () => ofTest({ runs, level: 'trusted', outcome: exit('green') });
  it('has its verdict refused: N operators saw it fail first', async () => {
    const { bundle } = await attack();
    expect(await verifyWithout([], bundle)).toMatchObject({
      ok: false,
      code: 'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    });
  });
  it('control: succeeds where a later round may say otherwise', async () => {
    const { bundle } = await attack();
    expect(await verifyWithout(['failure-stands'], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('may say that it failed, which needs nobody else', async () => {
    const { bundle } = await ofTest({ runs });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'failed' });
  });
});

describe('a job that calls itself a test to get below the floor', () => {
  const artifact = cidOf('good');
  it('is trusted as a test, and says that it is not co-signed', async () => {
    const { bundle } = await ofTest();
    const result = await verifyWithout([], bundle);
    expect(result).toMatchObject({ ok: true, level: 'trusted', facts: { kind: 'test', cosigners: [] } });
    const step = result.steps.find((one) => one.step === 'co-signature');
    expect(step?.says).toMatch(/^Not co-signed: whoever holds the controller can forge this\./);
  });
  it('makes nothing that is an artifact: neither by its CID nor by its bytes', async () => {
    const { bundle } = await ofTest();
    expect(await verifyWithout([], bundle, { artifact })).toMatchObject({
      ok: false,
      code: 'ARTIFACT_OF_TEST',
    });
    const held = checkContent(await verifyWithout([], bundle), { kind: 'tree', cid: artifact });
    expect(held).toMatchObject({ ok: false, level: 'none', code: 'ARTIFACT_OF_TEST' });
  });
  it('has no in-toto layout that vouches for what it put out; control: a build without a co-signature has one', async () => {
    const { bundle } = await ofTest();
    const { facts } = await verifyWithout([], bundle);
    if (facts === null) throw new Error('it verifies');
    await expect(linksOf(bundle, facts, joseVerifier)).rejects.toMatchObject({ code: 'ARTIFACT_OF_TEST' });
    const links = await linksOf(bundle, { ...facts, kind: 'build' }, joseVerifier);
    expect(links.builders).toHaveLength(3);
  });
  it('control: is fetched where the kind of its job is not looked at', async () => {
    const { bundle } = await ofTest();
    expect(await verifyWithout(['ARTIFACT_OF_TEST'], bundle, { artifact })).toMatchObject({
      ok: true,
      level: 'trusted',
    });
  });
  it('cannot go without its kind: the job that was asked for has it', async () => {
    const { bundle } = await ofTest();
    const { kind: _, ...job } = JSON.parse(bundle.job);
    const build = { ...bundle, job: JSON.stringify(job) };
    expect(await verifyWithout([], build, { artifact })).toMatchObject({ code: 'REQUEST_JOB_MISMATCH' });
  });
});

describe('a test below the floor for tests', () => {
  const tighter: Policy = { ...withoutCosign, agree: 3, of: 3 };
  it('is refused', async () => {
    const { bundle } = await ofTest({}, tighter);
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, code: 'POLICY_BELOW_FLOOR' });
  });
  it('is refused where the charter has no floor for tests: the floor of all jobs counts', async () => {
    const { bundle } = await ofTest({ charter: (charter) => ({ ...charter, floor: withCosign }) });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, code: 'POLICY_BELOW_FLOOR' });
  });
  it('is refused of a job that is no test, whatever the floor for tests', async () => {
    const { bundle } = await ofTest({ job: {} });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, code: 'POLICY_BELOW_FLOOR' });
  });
  it('control: is taken where the floor is not looked at', async () => {
    const { bundle } = await ofTest({}, tighter);
    expect(await verifyWithout(['POLICY_BELOW_FLOOR'], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });
});
