import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal } from '../../journal/index.ts';
import { openMesh } from '../../mesh/index.ts';
import { meshCheck } from '../../node/health.ts';
import { type NodePorts, openNode } from '../../node/kernel/open-node.ts';
import { openRevocationBook, revocationFile } from '../../node/membership/revocation-file.ts';
import { joseDocuments, machineTime, signingOf } from '../../node/ports.ts';
import {
  type ProjectFolder,
  readCharter,
  restoreCharter,
  writeAddress,
  writeCharter,
} from '../../owner/project-folder.ts';
import { openKeys } from '../../owner/project-keys.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { claimedIdOf, type Grant } from '../../protocol/documents/index.ts';
import type { IdpEffect, IdpEvent } from '../machine/events.ts';
import { IdentityProvider } from '../machine/machine.ts';
import { IdpSessions } from '../sessions/idp-sessions.ts';
import { idpNodeLimits } from './limits.ts';

export interface IdpOptions extends NodePorts {
  folder: ProjectFolder;
  listen: string[];
  announce: string[];
  /** Lifetime of grants; a day by default, which is the most. */
  grantMs?: number | undefined;
  /** The clock is right now, and was wrong when the journal was last written. */
  acceptClock?: boolean;
  /** The charter names another key that is in the folder: the node is to be closed and started again. */
  onRekeyed(): void;
}

export type IdpNode = Awaited<ReturnType<typeof startIdp>>;

/** The identity provider in a process of its own, which goes on from `<folder>/idp.db`. @throws {QuorateError} `IDP_KEY_…`, `JOURNAL_…`, `MESH_…` */
export async function startIdp(options: IdpOptions) {
  const { folder } = options;
  const key = folder.idp;
  if (!folder.charter.idps.includes(key.id))
    throw new QuorateError(
      'IDP_KEY_NOT_NAMED',
      `the charter does not name ${key.id} as an identity provider`,
    );
  const time = machineTime();
  return openNode({ ...options, dir: folder.dir, time }, async (kernel) => {
    const { tell, clock } = kernel;
    const opening = openJournal<IdpEvent>(join(folder.dir, 'idp.db'), {
      name: nameOf(key),
      formerly: folder.retired.map(nameOf),
      rules: IdentityProvider.rules,
    });
    const journal = await kernel.use(opening);
    // Begins as whoever made the journal; what starts in it says which keys there were later.
    const first = folder.retired.find((one) => nameOf(one) === journal.name) ?? key;
    const machine = new IdentityProvider(first.id);
    const { acceptClock = false } = options;
    const loop = kernel.openLoop<IdpEvent, IdpEffect>({ machine, journal, acceptClock, tick: undefined });
    const replayed = loop.replay();
    await restoreCharter(folder.dir, machine.state.charter);
    const mesh = await kernel.use(
      openMesh({
        key: key.seed,
        listen: options.listen,
        announce: options.announce,
        bootstrap: [],
        topics: [],
        maxConnections: idpNodeLimits.connectionsMax,
        rankOf: (peer) =>
          machine.state.charter?.payload.controllers.includes(peer) === true ? 'owner' : 'guest',
        role: 'node',
      }),
    );
    if (options.metrics !== undefined) {
      const { meterMesh } = await import('../../node/node-metrics.ts');
      meterMesh(options.metrics, mesh);
    }
    let address = '';
    const sessions = new IdpSessions({
      project: folder.project,
      signing: signingOf(key.signer),
      clock,
      machine,
      dispatch: (event) => loop.dispatch(event),
      charge: (account, turns) => mesh.charge(account, turns),
      async takeCharter(charter) {
        await writeCharter(folder.dir, charter);
        await look();
      },
      async keepAddress(addrs) {
        if (String(addrs) === address) return;
        await writeAddress(folder.dir, addrs);
        address = String(addrs);
        tell('info', 'controller', 'the controller is there', { addresses: addrs });
      },
    });

    let rekeyed = false;
    /** The file of revocations as it was read last, and under which charter. */
    let readAs = '';
    const takeFolder = async () => {
      const charter = await readCharter(folder.dir);
      if (charter !== undefined && charter.payload.epoch > (machine.state.charter?.payload.epoch ?? 0)) {
        await loop.dispatch({ kind: 'charter', charter });
        tell('info', 'charter', `the charter is now of epoch ${charter.payload.epoch}`);
      }
      // The command that revokes is another process.
      const stamp = `${machine.state.charter?.payload.epoch} ${await stampOf(revocationFile(folder.dir, folder.project))}`;
      if (stamp !== readAs) await takeRevocations();
      readAs = stamp;
      const inForce = machine.state.charter?.payload;
      if (rekeyed || inForce === undefined || inForce.idps[0] === key.id) return;
      const other = (await openKeys(folder.dir, inForce)).idp;
      if (other === undefined || other.id === key.id || rekeyed) return;
      rekeyed = true;
      tell('warn', 'rekeyed', 'the charter names another key; the identity provider goes on with that');
      options.onRekeyed();
    };
    const takeRevocations = async () => {
      const { list } = await openRevocationBook(folder.dir, folder.project);
      for (const raw of list.revocations) {
        if (machine.state.revocations.has(claimedIdOf(raw) ?? '')) continue;
        await loop.dispatch({ kind: 'revoked', revocation: await joseDocuments.message('revocation', raw) });
      }
    };
    // One at a time: a charter that comes by the wire is put in force before its answer.
    const inTurn = oneByOne();
    const look = () => inTurn(takeFolder);

    loop.perform = (effect) => sessions.perform(effect);
    const charter = (await readCharter(folder.dir)) ?? machine.state.charter;
    if (charter === null) throw new Error('a project folder that was opened has a charter');
    const grantMs = options.grantMs ?? limits.grantSecondsMax * 1000;
    await loop.dispatch({ kind: 'started', charter, key: key.id, grantMs });
    await look();
    const { protocol, session, options: bounds } = sessions.served;
    mesh.handle(protocol, session, bounds);
    const timer = setInterval(
      () => void look().catch((error) => tell('warn', 'folder', messageOf(error))),
      idpNodeLimits.folderPollMs,
    );
    kernel.onClose(() => clearInterval(timer));
    if (replayed > 0) tell('info', 'replayed', `went on after ${replayed} events`, { events: replayed });
    return {
      id: key.id,
      project: folder.project,
      addresses: () => mesh.addresses(),
      /** The charter in force, and whether the holder of a grant is revoked or dismissed. */
      members: {
        charter: () => machine.state.charter?.payload ?? folder.charter,
        isRevoked: (grant: Grant) => machine.isRevoked(grant),
      },
      health: { live: [{ name: 'journal', trouble: () => kernel.trouble }], ready: [meshCheck(mesh)] },
    };
  });
}

/** Changes whenever the file is written; empty where there is none. */
const stampOf = (file: string): Promise<string> =>
  stat(file).then(
    ({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`,
    () => '',
  );

const nameOf = ({ id }: { id: string }): string => `identity provider ${id}`;
