import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { check } from '../../src/http/verify-page/browser/check.ts';
import { contentOf } from '../../src/http/verify-page/browser/content.ts';
import { type Fetched, fetchHanded, handedBy } from '../../src/http/verify-page/browser/handed.ts';
import { openWebVerifier } from '../../src/identity/web-verifier.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { encodeBundle } from '../../src/protocol/documents/index.ts';
import { type Real, realProject } from '../proof/support.ts';
import { carOf } from '../support/car.ts';
import { project } from '../support/project.ts';
import { withLimits } from '../support/with-limits.ts';

const run = 'ab'.repeat(32);
let real: Real;
let car: Uint8Array;
beforeAll(async () => {
  real = await realProject();
  car = await carOf(real.tool);
});

/** Fetches what a link hands over from a server that answers so. */
async function handed(
  answer: RequestListener,
  { artifact = real.cid, ...over }: { project?: string; artifact?: string } = {},
): Promise<Fetched> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const from = { origin, project, ...over };
  return fetchHanded({ run, artifact }, from, () => {}, AbortSignal.timeout(60_000));
}

/** A server that has both, or others in their place. */
const serving =
  (over: { bundle?: string; car?: Uint8Array | undefined } = {}): RequestListener =>
  ({ url = '' }, response) => {
    const { bundle, car: archive } = { bundle: encodeBundle(real.bundle), car, ...over };
    if (url === `/v1/${project}/bundle/${run}`) response.end(bundle);
    else if (url === `/ipfs/${real.cid}?format=car` && archive !== undefined) response.end(archive);
    else response.writeHead(404).end();
  };

/** The answer of the page to what was fetched. */
async function verified({ bundle, artifact, about }: Fetched) {
  const file = artifact && {
    path: 'it',
    size: artifact.size,
    read: () => artifact.stream() as unknown as AsyncIterable<Uint8Array>,
  };
  const given = file && (await contentOf([file], false, () => {}, AbortSignal.timeout(60_000)));
  return check(
    {
      project,
      about,
      now: Date.now(),
      bundle: { name: bundle.name, bytes: bundle.size, text: () => bundle.text() },
      artifact: given && { name: 'it', given },
      brought: { from: 'list.json', revocations: ['{"charters":[],"revocations":[]}'] },
    },
    await openWebVerifier(),
  );
}

describe('a link from the page of a run', () => {
  it('has bundle and artifact fetched from the server of the page, and verified', async () => {
    const fetched = await handed(serving());
    expect(fetched.line).toMatchObject({
      says: expect.stringMatching(
        /^from http:\/\/127\..* the bundle \(.*\) and the artifact \(.*does not trust/,
      ),
    });
    expect((await verified(fetched)).isTrusted).toBe(true);
  });

  it('is believed in nothing: another artifact, or other evidence, is refused', async () => {
    const other = Uint8Array.from(car);
    other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
    await expect(handed(serving({ car: other })).then(verified)).rejects.toThrow(/block|hash/);
    const forged = encodeBundle(real.bundle).replace(/"charter":"e/, '"charter":"f');
    const answer = await handed(serving({ bundle: forged })).then(verified, (error: Error) => error);
    expect(answer instanceof Error || answer.isTrusted === false).toBe(true);
  });

  it('is about the artifact that it names: an older one with good evidence is refused', async () => {
    const artifact = `bafy${'a'.repeat(55)}`;
    const older: RequestListener = ({ url = '' }, response) =>
      void response.end(url.startsWith('/v1/') ? encodeBundle(real.bundle) : car);
    const { isTrusted, standing, result } = await handed(older, { artifact }).then(verified);
    expect({ isTrusted, standing, code: result.code }).toEqual({
      isTrusted: false,
      standing: 'bad',
      code: 'ARTIFACT_MISMATCH',
    });
  });

  it('has the evidence alone checked where the artifact is gone', async () => {
    const fetched = await handed(serving({ car: undefined }));
    expect(fetched.artifact).toBe(undefined);
    expect(fetched.line).toMatchObject({ says: expect.stringContaining('only the evidence is checked') });
    expect((await verified(fetched)).last).toContain('No file was compared with it.');
  });

  it('names what came of a server that has nothing, fails, leads elsewhere or sends too much', async () => {
    withLimits(limits, { bundleBytesMax: 10 });
    const said: [RequestListener, RegExp][] = [
      [(_, response) => void response.writeHead(404).end(), /no bundle of this run/],
      [(_, response) => void response.writeHead(500).end(), /it answered 500/],
      [(_, response) => void response.writeHead(302, { location: '/' }).end(), /nothing came from/],
      [(_, response) => void response.end('x'.repeat(11)), /it sends more than 10 B/],
      [(_, response) => void response.destroy(), /nothing came from/],
    ];
    for (const [answer, says] of said) {
      await expect(handed(answer)).rejects.toMatchObject({
        code: 'VERIFY_SERVER_UNREACHABLE',
        message: expect.stringMatching(says),
      });
    }
  });
});

it.each([
  [`run=${run}&artifact=bafy${'a'.repeat(55)}`, true],
  [`run=${run}`, false],
  [`run=${run.slice(1)}&artifact=bafy${'a'.repeat(55)}`, false],
  [`run=${run}&artifact=../../sign-out${'a'.repeat(55)}`, false],
  [`run=${'/'.repeat(64)}&artifact=bafy${'a'.repeat(55)}`, false],
  ['', false],
])('of the fragment %s something is fetched: %s', (fragment, is) => {
  expect(handedBy(new URLSearchParams(fragment)) !== undefined).toBe(is);
});
