import { readCharter } from '../membership/project-folder.ts';
import type { ControllerContext } from './context.ts';

/** Takes the charter as it lies in the project's folder, where that one is newer. Errors: `CHARTER_…`, `DOC_…`, `HOME_…`. */
export async function refreshCharter({ folder, machine, dispatch, tell }: ControllerContext): Promise<void> {
  const charter = await readCharter(folder.dir);
  if (charter === undefined || charter.payload.epoch <= (machine.state.charter?.payload.epoch ?? 0)) return;
  dispatch({ kind: 'charter', charter });
  tell('info', 'charter', `the charter is now of epoch ${charter.payload.epoch}`);
}
