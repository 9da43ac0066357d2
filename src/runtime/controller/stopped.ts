import { existsSync } from 'node:fs';
import type { ProjectFolder } from '../membership/project-folder.ts';
import { journalFile, newController, openControllerJournal } from './controller-journal.ts';
import { type ControllerStatus, statusOf } from './status.ts';

/**
 * What the journal of a controller that does not run says. Holds the journal meanwhile, so a controller that starts at this
 * moment is told that it is in use. Errors: `JOURNAL_…`.
 */
export function statusOfStopped(folder: ProjectFolder): ControllerStatus {
  const about = { project: folder.project, running: false, stopsBy: null };
  if (!existsSync(journalFile(folder.dir))) return statusOf(newController(folder).state, about);
  const { journal, machine } = openControllerJournal(folder);
  try {
    for (const { event, at, rules } of journal.replay()) machine.handle(event, at, rules);
    return statusOf(machine.state, about);
  } finally {
    journal.close();
  }
}
