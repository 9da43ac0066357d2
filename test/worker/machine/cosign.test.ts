import { describe, expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { type FileHash, type Outcome, resultIdOf } from '../../../src/protocol/documents/index.ts';
import { type Bench, filesBuilt, started } from './bench.ts';

const built = exited(treeCid('a'));

async function committed(outcome: Outcome = built, role: 'worker' | 'trusted-worker' = 'trusted-worker') {
  const bench = await started(role);
  const { lease, offered } = await bench.building();
  bench.built(lease, outcome);
  await bench.ack(lease);
  return { bench, lease: lease.id, request: offered.request.id };
}

function check(
  bench: Bench,
  lease: string,
  request: string,
  outcome: Outcome | null,
  ok = true,
  files: FileHash[] = filesBuilt,
) {
  return bench.send({
    kind: 'cosign-checked',
    lease,
    request,
    result: outcome === null ? null : resultIdOf(outcome, files),
    ok,
    code: ok ? 'OK' : 'RECEIPT_DROPPED',
    message: '',
  });
}

describe('the trusted worker', () => {
  it('signs what it built and committed to', async () => {
    const { bench, lease, request } = await committed();
    expect(check(bench, lease, request, built)).toEqual([{ kind: 'cosign', lease }]);
  });

  it('signs that a build fails when its own failed, with its own status', async () => {
    const { bench, lease, request } = await committed(exited(null, 2));
    expect(check(bench, lease, request, exited(null, 2))).toEqual([{ kind: 'cosign', lease }]);
    expect(check(bench, lease, request, exited(null, 1))).toMatchObject([{ code: 'COSIGN_RESULT_MISMATCH' }]);
  });

  it.each([
    ['another hash', [{ path: 'app', sha256: 'e'.repeat(64) }]],
    ['another path', [{ path: 'bin/app', sha256: 'a'.repeat(64) }]],
    ['one file less', []],
    ['one file more', [...filesBuilt, { path: 'evil', sha256: 'e'.repeat(64) }]],
  ])('does not sign the tree it built with %s in the list of files', async (_, files) => {
    const { bench, lease, request } = await committed();
    expect(check(bench, lease, request, built, true, files)).toMatchObject([
      { kind: 'refuse-cosign', code: 'COSIGN_RESULT_MISMATCH' },
    ]);
  });

  it('signs again when it is asked again: the signature may have been lost', async () => {
    const { bench, lease, request } = await committed();
    check(bench, lease, request, built);
    expect(check(bench, lease, request, built)).toEqual([{ kind: 'cosign', lease }]);
  });

  it('does not sign evidence that does not hold', async () => {
    const { bench, lease, request } = await committed();
    expect(check(bench, lease, request, built, false)).toMatchObject([
      { kind: 'refuse-cosign', code: 'RECEIPT_DROPPED' },
    ]);
  });

  it.each([
    ['another artifact', exited(treeCid('b'))],
    ['a failure', exited(null, 1)],
    ['no outputs', exited(null)],
    ['nothing', null],
  ])('does not sign %s, having built an artifact', async (_, outcome) => {
    const { bench, lease, request } = await committed();
    expect(check(bench, lease, request, outcome)).toMatchObject([
      { kind: 'refuse-cosign', code: 'COSIGN_RESULT_MISMATCH' },
    ]);
  });

  it('does not sign for another request', async () => {
    const { bench, lease } = await committed();
    expect(check(bench, lease, '0'.repeat(64), built)).toMatchObject([{ code: 'COSIGN_REQUEST_MISMATCH' }]);
  });

  it('does not sign before its own receipt is acknowledged', async () => {
    const bench = await started('trusted-worker');
    const { lease, offered } = await bench.building();
    expect(check(bench, lease.id, offered.request.id, built)).toMatchObject([{ code: 'COSIGN_NOT_BUILT' }]);
    bench.built(lease, built);
    expect(check(bench, lease.id, offered.request.id, built)).toMatchObject([{ code: 'COSIGN_NOT_BUILT' }]);
  });

  it('neither signs nor refuses under a lease it never had', async () => {
    const { bench, request } = await committed();
    expect(check(bench, '0'.repeat(64), request, built)).toEqual([]);
  });

  it.each([
    ['released', { kind: 'released', code: 'RUN_CANCELLED', message: 'the job was cancelled' }],
    ['revealed', { kind: 'revealed' }],
  ] as const)(
    'neither signs nor refuses when its lease was %s while it checked the draft',
    async (_, end) => {
      const { bench, lease, request } = await committed();
      bench.send({ ...end, lease });
      expect(check(bench, lease, request, built)).toEqual([]);
      expect(check(bench, lease, request, null, false)).toEqual([]);
    },
  );

  it('is no worker of the quorum: those do not sign', async () => {
    const { bench, lease, request } = await committed(built, 'worker');
    expect(check(bench, lease, request, built)).toMatchObject([{ code: 'COSIGN_NOT_TRUSTED_SLOT' }]);
  });

  it('does not sign an aborted run of its own', async () => {
    const { bench, lease, request } = await committed({ kind: 'aborted', reason: 'time', detail: '' });
    expect(check(bench, lease, request, built)).toMatchObject([{ code: 'COSIGN_RESULT_MISMATCH' }]);
  });
});
