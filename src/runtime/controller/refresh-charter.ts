import { readCharter } from '../membership/project-folder.ts';
import type { ControllerContext } from './context.ts';

/** Takes the charter as it lies in the project's folder, where that one is newer. Errors: `CHARTER_…`, `DOC_…`, `HOME_…`. */
export async function refreshCharter({ folder, machine, dispatch, tell }: ControllerContext): Promise<void> {
  const charter = await readCharter(folder.dir);
  if (charter === undefined || charter.payload.epoch <= (machine.state.charter?.payload.epoch ?? 0)) return;
  dispatch({ kind: 'charter', charter });
  tell('info', 'charter', `the charter is now of epoch ${charter.payload.epoch}`);
}

/** Whether the charter in force names other keys than those that this node signs with. Of several identity providers the first signs. */
export function otherKeys({ folder, machine }: ControllerContext): boolean {
  const charter = machine.state.charter?.payload;
  if (charter === undefined) return false;
  return !charter.controllers.includes(folder.controller.id) || charter.idps[0] !== folder.idp.id;
}
