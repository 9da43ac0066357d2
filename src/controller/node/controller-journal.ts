import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Journal, openJournal, replayEach } from '../../journal/index.ts';
import { journalFile } from '../../owner/controller-socket.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import type { ControllerEvent } from '../machine/events.ts';
import { Controller } from '../machine/machine.ts';
import { type MemberFacts, membersPage } from '../machine/queries/members.ts';
import type { ControllerState } from '../machine/state.ts';
import { controllerNodeLimits } from './limits.ts';
import { type ControllerStatus, statusOf } from './status.ts';

const nameOf = ({ id }: { id: string }): string => `controller ${id}`;

/** Key of the identity provider, which may be in a process of its own. */
export const idpIdOf = (folder: ProjectFolder): string =>
  folder.holds.idp ? folder.idp.id : (folder.charter.idps[0] ?? '');

/** A machine that knows nothing yet. `key`: whose journal it is to be given. */
function newController(folder: ProjectFolder, key: { id: string } = folder.controller): Controller {
  return new Controller(key.id, idpIdOf(folder));
}

/** The same, for a controller that starts: a command may be reading the journal of one that was stopped. */
export async function awaitControllerJournal(
  folder: ProjectFolder,
  signal?: AbortSignal,
): Promise<ReturnType<typeof openControllerJournal>> {
  const limit = AbortSignal.timeout(controllerNodeLimits.journalWaitMs);
  for (;;) {
    try {
      return openControllerJournal(folder);
    } catch (error) {
      if (codeOf(error) !== 'JOURNAL_IN_USE' || limit.aborted) throw error;
    }
    await sleep(controllerNodeLimits.journalAgainMs, undefined, { signal });
  }
}

/** The journal of a project's controller, and a machine to replay it into. @throws `JOURNAL_…`. */
export function openControllerJournal(folder: ProjectFolder): {
  journal: Journal<ControllerEvent>;
  machine: Controller;
} {
  const journal = openJournal<ControllerEvent>(journalFile(folder.dir), {
    name: nameOf(folder.controller),
    formerly: folder.retired.map(nameOf),
    rules: Controller.rules,
  });
  // Begins as whoever made the journal; what starts in it says which keys there were later.
  const first = folder.retired.find((key) => nameOf(key) === journal.name) ?? folder.controller;
  return { journal, machine: newController(folder, first) };
}

/** The status of a stopped controller, from its journal, which it holds meanwhile. @throws `JOURNAL_…`, `HOME_NEWER`. */
export const statusOfStopped = (folder: ProjectFolder): ControllerStatus =>
  statusOf(stateOfStopped(folder), { project: folder.project, running: false, stopsBy: null });

/** The same of its members. */
export const membersOfStopped = (folder: ProjectFolder): MemberFacts[] =>
  membersPage(stateOfStopped(folder), Number.POSITIVE_INFINITY).members;

function stateOfStopped(folder: ProjectFolder): ControllerState {
  if (!existsSync(journalFile(folder.dir))) return newController(folder).state;
  const { journal, machine } = openControllerJournal(folder);
  try {
    replayEach(journal, (event, at, rules) => machine.handle(event, at, rules));
    return machine.state;
  } finally {
    journal.close();
  }
}
