import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { initProject, openProjectFolder, writeAddress } from '../../../src/owner/project-folder.ts';
import { revoke } from '../../../src/owner/revoke.ts';
import { rotateIdp, rotateTrusted } from '../../../src/owner/rotate.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import type { RevocationList } from '../../../src/protocol/judge/index.ts';
import { openRevocations } from '../../../src/protocol/judge/index.ts';
import { revokedBy, revokedUnder } from '../../../src/protocol/trust/revocations.ts';
import { testKey } from '../../support/documents.ts';

/** A project whose controller is not there. */
async function project() {
  const repo = await mkdtemp(join(tmpdir(), 'quorate-'));
  const made = await initProject(repo, { name: 'tools', vcs: ['git.example.org'], bootstrap: [] });
  await writeAddress(made.dir, [`/ip4/127.0.0.1/tcp/1/p2p/${made.controller.id}`]);
  return openProjectFolder(made.dir);
}

/** The document that the command writes for `--out`. */
async function signedFor(dir: string, key: string, keeps?: string[]) {
  const folder = await openProjectFolder(dir);
  let list: RevocationList | undefined;
  const code = await revoke(folder, {
    what: { kind: 'key', id: key },
    since: 0,
    reason: 'stolen',
    waitMs: 0,
    ...(keeps !== undefined && { keeps }),
    signed: (one) => {
      list = one;
    },
    signal: AbortSignal.timeout(120_000),
  }).then(() => 'OK', codeOf);
  if (list === undefined) return { code, opened: [] };
  const { opened } = await openRevocations(list, folder.project, joseVerifier);
  return { code, opened: opened.map(({ revocation }) => revokedBy(revocation)) };
}

it('a key that a charter of before named is revoked by the root also where no controller says so', async () => {
  const made = await project();
  const worker = testKey('once trusted');
  const { now } = await rotateTrusted(made, { add: [worker.id], remove: [] });
  await rotateTrusted(await openProjectFolder(made.dir), { add: [], remove: [worker.id] });
  const { code, opened } = await signedFor(made.dir, worker.id);
  expect(code).toBe('CONTROLLER_UNREACHABLE');
  // For evidence of when it was trusted.
  expect(revokedUnder(opened, now)).toMatchObject([{ byRoot: true, what: { id: worker.id } }]);
});

it("an identity provider's key that was rotated out is not ended without its own revocations unless it is said", async () => {
  const made = await project();
  const { before, old } = await rotateIdp(made, { atOnce: true });
  expect(await signedFor(made.dir, old)).toEqual({ code: 'CONTROLLER_UNREACHABLE', opened: [] });
  const { opened } = await signedFor(made.dir, old, []);
  expect(revokedUnder(opened, before)).toMatchObject([{ byRoot: true, what: { id: old } }]);
});
