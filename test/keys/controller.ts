import type { KeyChange } from '../../simulations/paperwork.ts';
import type { Reply } from '../../src/controller/machine/events.ts';
import type { Messages, Signer, Verified } from '../../src/protocol/documents/index.ts';
import { idOf, signMessage } from '../../src/protocol/documents/index.ts';
import { Bench, built } from '../controller/machine/bench.ts';
import { realKeys } from '../simulations/real-keys.ts';
import { nonceOf } from '../support/documents.ts';
import type { Answer, Row, State } from './table.ts';

const operators = ['ada', 'bob', 'cy'];

/** Its name in the bench. */
const names: Record<Row['key'], string> = {
  root: 'root',
  controller: 'controller',
  log: 'controller',
  'identity provider': 'idp',
  'trusted worker': 'trusted',
  operator: 'ada',
  publisher: 'publisher',
  watcher: 'watcher',
};

async function openController(): Promise<Bench> {
  const bench = new Bench(undefined, realKeys);
  await bench.start();
  await bench.enrol('trusted');
  for (const name of operators) await bench.enrol(name, { hosts: 2, invite: nonceOf(`of ${name}`) });
  await bench.enrol('publisher', { role: 'publisher' });
  await bench.enrol('watcher', { role: 'publisher' });
  bench.present('trusted', ...operators);
  return bench;
}

/** Brings the key into a state. Undefined where it cannot be in it. */
async function bringTo(bench: Bench, { key }: Row, state: State): Promise<Bench | undefined> {
  const { paper } = bench;
  const own = paper.keys.signer(names[key]).id;
  const other = paper.keys.signer('the next key').id;
  /** The owner signs the next charter, and the process goes on under it. */
  const rotate = async (trusted: string[], idps: KeyChange): Promise<Bench | undefined> => {
    if (key !== 'trusted worker' && key !== 'identity provider') return undefined;
    if (key === 'identity provider') paper.replace(idps);
    bench.replay();
    await bench.start({ epoch: 2, ...(key === 'trusted worker' && { trusted }) });
    return bench;
  };
  switch (state) {
    case 'in force':
      return bench;
    case 'two keys at once':
      if (key === 'operator') {
        await bench.enrol('ada2', { operator: 'ada', hosts: 2, invite: nonceOf('of ada') });
        return bench;
      }
      return rotate([other, own], 'idp');
    case 'rotated out':
      return rotate([other], 'idp at once');
    case 'left out':
      if (key !== 'operator' && key !== 'publisher' && key !== 'watcher') return undefined;
      bench.drive(25 * 3600 * 1000);
      return bench;
    case 'revoked by the root':
      await bench.revoke({ kind: 'key', id: own }, { as: 'root', since: 0 });
      return bench;
  }
}

const byKey = <K extends keyof Messages>(kind: K, payload: Messages[K], signer: Signer) =>
  signMessage(kind, { ...payload, iss: signer.id }, signer) as Promise<Verified<Messages[K]>>;

const answerOf = (reply: Reply | undefined): Answer => (reply?.kind === 'error' ? reply.code : 'accepted');

/** The answer of a controller's machine to the document, which was verified to be signed by the key. */
export async function askController(row: Row, state: State): Promise<Answer | undefined> {
  const bench = await openController();
  const { paper } = bench;
  const signer = paper.keys.signer(names[row.key]);
  const isReceipt = row.document === 'receipt';
  if (isReceipt) await bench.submit();
  const name = names[row.key];
  const lease = isReceipt ? (await bench.lease(...new Set([name, ...operators]))).get(name) : undefined;
  if ((await bringTo(bench, row, state)) === undefined) return undefined;
  const token = bench.token('asked');
  switch (row.document) {
    case 'charter': {
      bench.send({ kind: 'charter', charter: await paper.charter({ epoch: 3 }) });
      return bench.controller.state.charter?.payload.epoch === 3 ? 'accepted' : 'not taken';
    }
    case 'revocation': {
      const what = { kind: 'operator', id: 'cy' } as const;
      return answerOf(await bench.revoke(what, { as: names[row.key] }));
    }
    case 'invite': {
      const invite = await byKey('invite', (await paper.invite('dan', 'worker', bench.now)).payload, signer);
      const enrol = await paper.enrol('dan', bench.now, invite.payload.jti);
      bench.send({ kind: 'enrol', token, enrol, invite });
      return answerOf(bench.lastReply(token));
    }
    case 'claim':
      bench.send({ kind: 'claim', token, claim: await claimOf(name), grant: bench.grantOf(name) });
      return claimed();
    case 'receipt':
      return answerOf(await bench.deliver(name, lease, built));
    // Of the publisher, or what lets it ask: its grant.
    default:
      return bench.submit({ as: row.document === 'grant' ? 'publisher' : name, name: 'lib' }).then(
        () => 'accepted',
        (error) => /"code":"([A-Z_]+)"/.exec(String(error))?.[1] ?? String(error),
      );
  }

  async function claimOf(key: string) {
    await bench.enrol('publisher2', { role: 'publisher' });
    await bench.submit({ name: 'tool', as: 'publisher2' });
    return paper.claim(key, idOf(bench.offer), bench.now);
  }

  /** A claim that waits for the end of the window has no answer yet. */
  function claimed(): Answer {
    return answerOf(bench.replies.get(token)?.at(-1));
  }
}
