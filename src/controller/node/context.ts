import type { Mesh } from '../../mesh/index.ts';
import type { Tell } from '../../node/node-events.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import type { Store } from '../../store/index.ts';
import type { ControllerEvent } from '../machine/events.ts';
import type { Controller } from '../machine/machine.ts';

export interface ControllerContext {
  folder: ProjectFolder;
  machine: Controller;
  dispatch(event: ControllerEvent): Promise<void>;
  mesh: Mesh;
  store: Store;
  tell: Tell;
  /** Aborted once the process ends. */
  closing: AbortSignal;
}
