import { existsSync } from 'node:fs';
import { replayEach } from '../../journal/index.ts';
import { journalFile } from '../../owner/controller-socket.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import { type MemberFacts, membersPage } from '../machine/queries/members.ts';
import type { ControllerState } from '../machine/state.ts';
import { newController, openControllerJournal } from './controller-journal.ts';
import { type ControllerStatus, statusOf } from './status.ts';

/**
 * The status of a controller that does not run, from its journal. Holds the journal meanwhile, and a controller that starts at this
 * moment waits for it. Errors: `JOURNAL_…`, `HOME_NEWER`.
 */
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
