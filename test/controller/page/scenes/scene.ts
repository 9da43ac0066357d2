import type { Ending } from '../../../../src/protocol/account/endings.ts';
import type { RunState } from '../../../../src/protocol/account/index.ts';
import type { Store } from '../../../../src/store/index.ts';
import { lenders, Story } from './story.ts';

/** One page of a project, as the machine of a controller comes to it. */
export interface Scene {
  /** In addresses and names of pictures: small letters, digits and hyphens. */
  name: string;
  about: string;
  /** Of the run that it shows, by its account. Absent where it is about more than one run, or what stands beside the account. */
  state?: RunState;
  ending?: Ending;
  play(store: Store): Promise<Played>;
}

export interface Played {
  story: Story;
  /** The run that it is about. */
  run?: string;
  /** Default: the page of the run. */
  path?: string;
  /** Evidence that the log tells two stories. */
  equivocations?: string[];
}

/** A scene of one run in a project with these operators; the story returns the run. */
export function ofRun(
  name: string,
  state: RunState,
  about: string,
  play: (story: Story) => Promise<string>,
  { operators = lenders, ending }: { operators?: readonly string[]; ending?: Ending } = {},
): Scene {
  return {
    name,
    about,
    state,
    ...(ending !== undefined && { ending }),
    async play(store) {
      const story = await Story.of(store, operators);
      return { story, run: await play(story) };
    },
  };
}

/** The same of a run that ended without a result. */
export const withoutResult = (
  ending: Ending,
  state: RunState,
  about: string,
  play: (story: Story) => Promise<string>,
  operators?: readonly string[],
): Scene => ofRun(`${state}-${ending}`, state, about, play, { ending, ...(operators && { operators }) });
