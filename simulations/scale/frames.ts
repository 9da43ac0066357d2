import { fromUtf8, toUtf8 } from '../../src/protocol/base/text.ts';
import { encodeJob, idOf, type Lease, sha256Hex, signMessage } from '../../src/protocol/documents/index.ts';
import { sessionLimits } from '../../src/protocol/sessions/limits.ts';
import {
  formatCheckpoint,
  signCheckpoint,
  witnessCheckpoint,
} from '../../src/protocol/transparency/index.ts';
import { encodeMessage } from '../../src/protocol/wire/messages.ts';
import { ownVersion } from '../../src/protocol/wire/peer-version.ts';
import { capabilities, exited, jobNamed, seconds, treeCid } from '../paperwork.ts';
import { Random } from '../random.ts';
import { Project } from './machine-round.ts';
import { populationOf, workerName } from './population.ts';

/** Bytes of each message of a job, as production encodes it: signed documents of a small job, without TCP, Noise and Yamux around them. */
export type Frames = Awaited<ReturnType<typeof framesOf>>;

export async function framesOf() {
  const project = await Project.of(populationOf(1, new Random('one worker')));
  const { paper } = project;
  const round = await project.open({ agree: 2, of: 3 });
  const { offer } = round;
  const worker = workerName(0);
  const work = jobNamed('job-1');
  const request = await paper.request('publisher', work, project.now);
  const signed = await signMessage('offer', offer, paper.controller);
  const grant = project.grantOf(worker).raw;
  const claim = await paper.claim(worker, signed.id, project.now);
  const pass = await paper.claim(worker, signed.id, project.now, { pass: 'busy: one job at once' });
  const lease: Lease = {
    iss: paper.controller.id,
    aud: paper.keys.signer(worker).id,
    project: paper.project,
    claim: claim.id,
    offer: signed.id,
    job: work.jobId,
    round: 1,
    operator: 'operator-0',
    slot: 0,
    fence: { epoch: 1, n: 1 },
    iat: seconds(project.now),
    exp: seconds(project.now) + 1200,
  };
  const outcome = exited(treeCid('an artifact'));
  const files = ['app', 'app.txt', 'README'].map((path) => ({ path, sha256: sha256Hex(toUtf8(path)) }));
  const receipt = await paper.receipt(worker, { id: idOf(lease), payload: lease }, work.job, outcome, {
    files,
  });
  const ack = {
    iss: paper.controller.id,
    aud: lease.aud,
    lease: idOf(lease),
    receipt: receipt.id,
    index: 1000,
    iat: lease.iat,
  };
  const body = formatCheckpoint({ project: paper.project, size: 1000, root: sha256Hex(toUtf8('root')) });
  const bare = await signCheckpoint(body, paper.controller);
  const line = await witnessCheckpoint(bare, paper.keys.signer(worker), lease.iat);
  const lines = Math.floor(sessionLimits.memberLinesCharsMax / line.length);
  const note = bare + line.repeat(lines);
  const version = ownVersion('1.0.0');
  const charter = (await paper.charter()).raw;
  const kinds = {
    offer: {
      offer: signed.raw,
      request: request.raw,
      publisher: project.grantOf('publisher').raw,
      job: fromUtf8(encodeJob(work.job).bytes),
    },
    claim: { kind: 'claim', claim: claim.raw, grant, version },
    pass: { kind: 'claim', claim: pass.raw, grant, version },
    standby: { kind: 'standby' },
    reserve: { kind: 'reserve' },
    lease: { kind: 'lease', lease: (await signMessage('lease', lease, paper.controller)).raw },
    heartbeat: { kind: 'heartbeat' },
    receipt: { kind: 'receipt', envelope: receipt.raw },
    ack: { kind: 'ack', ack: (await signMessage('ack', ack, paper.controller)).raw },
    reveal: { kind: 'reveal' },
    verdict: {
      job: work.jobId,
      request: request.id,
      level: 'trusted',
      artifact: treeCid('an artifact'),
      mirrors: [lease.aud, lease.aud],
    },
    hello: { kind: 'hello', grant, capabilities, version },
    poll: { kind: 'poll' },
    /** With a checkpoint that is full of witnesses. */
    backlog: { kind: 'backlog', charter, offers: [], revocations: 0, checkpoint: note, version },
    witness: { kind: 'witness', size: 1000, line },
    checkpoint: { note },
  };
  const sizes = Object.entries(kinds).map(([kind, message]) => [kind, encodeMessage(message).length]);
  return Object.fromEntries(sizes) as Record<keyof typeof kinds, number>;
}
