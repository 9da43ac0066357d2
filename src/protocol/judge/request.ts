import { recipeText } from '../base/recipe-name.ts';
import {
  type Charter,
  type Grant,
  instantiate,
  type Job,
  type Recipe,
  type Request,
  sameValue,
  type Verified,
} from '../documents/index.ts';
import type { Check } from './check.ts';
import { checkGrant } from './grant.ts';
import { judgeLimits } from './limits.ts';
import { floorOf, policyMeetsFloor } from './policy.ts';
import { vcsAllowed } from './vcs.ts';

/** A request with what comes with it. `jobId` is the CID of `job`. */
export interface Order {
  request: Verified<Request>;
  publisher: Verified<Grant>;
  job: Job;
  jobId: string;
}

/** Whether a publisher may ask this controller for this, for so long, with sources of this host. */
export function checkRequest(
  check: Check,
  { request, publisher }: Pick<Order, 'request' | 'publisher'>,
  charter: Charter,
): void {
  const { project, aud, repo, recipe, iat, exp } = request.payload;
  check('REQUEST_PROJECT_MISMATCH', project === charter.project, `the request is for project ${project}`);
  const toController = charter.controllers.includes(aud);
  check(
    'REQUEST_AUDIENCE_MISMATCH',
    toController,
    `the request is made to ${aud}, no controller of the charter`,
    'The key of its controller was replaced: request it again (quorate run).',
  );
  checkGrant(check, publisher, charter, { by: request.signer, as: 'publisher', at: iat });
  check(
    'REQUEST_TOO_LONG',
    exp - iat <= judgeLimits.requestSecondsMax,
    `the request is for ${exp - iat} seconds; at most ${judgeLimits.requestSecondsMax} are taken`,
  );
  check(
    'SOURCE_HOST_NOT_ALLOWED',
    vcsAllowed(charter.vcs, repo),
    `the charter does not allow ${repo}`,
    `It allows these version control servers: ${charter.vcs.join(', ')}. Its owner changes them: quorate charter set --vcs`,
  );
  if (recipe !== undefined) checkRecipe(check, recipe, charter);
}

function checkRecipe(check: Check, recipe: Recipe, { recipes, vcs }: Charter): void {
  const it = `the job file is ${recipeText(recipe)}`;
  check(
    'RECIPE_NOT_ALLOWED',
    recipes === 'outside',
    `${it}, and the charter allows none but the quorate.yaml of the source itself`,
    'Its owner allows others: quorate charter set --recipes outside',
  );
  check(
    'SOURCE_HOST_NOT_ALLOWED',
    vcsAllowed(vcs, recipe.repo),
    `${it}, from a server that the charter does not allow`,
    `It allows these version control servers: ${vcs.join(', ')}. Its owner changes them: quorate charter set --vcs`,
  );
}

/**
 * Whether this is the job that the request names, or an instance of its template with an artifact for exactly the inputs that it
 * reads. `trust/steps/inputs.ts` judges which artifacts these are.
 */
export function checkJob(
  check: Check,
  request: Request,
  { job }: Pick<Order, 'job'>,
  charter: Pick<Charter, 'floor' | 'testFloor'>,
): void {
  checkTemplate(check, request, instantiate(job, {}), charter);
  const needs = Object.entries(request.needs ?? {});
  const needed = needs.flatMap(([name, { gate }]) => (gate === true ? [] : [name])).sort();
  const read = Object.keys(job.inputs).sort();
  check(
    'JOB_INPUTS_MISMATCH',
    sameValue(needed, read),
    `the job reads ${read.join(', ') || 'no artifact'}; by its request it reads ${needed.join(', ') || 'none'}`,
  );
}

/** Whether this is the job or template of the request, of its source, with a policy at least as tight as the charter's floor. */
export function checkTemplate(
  check: Check,
  request: Request,
  { job, id }: { job: Job; id: string },
  charter: Pick<Charter, 'floor' | 'testFloor'>,
): void {
  check('REQUEST_JOB_MISMATCH', id === request.job, `the request is for job ${request.job}, not ${id}`);
  const same = job.source.url === request.repo && job.source.commit === request.commit;
  check('REQUEST_SOURCE_MISMATCH', same, 'the job builds another source than the request names');
  const floor = floorOf(charter, job);
  const { agree, of, cosign, rounds } = floor;
  const what = job.kind === 'test' ? "the charter's floor for tests" : 'the floor in the charter';
  check(
    'POLICY_BELOW_FLOOR',
    policyMeetsFloor(request.policy, floor),
    `the policy of the request is weaker than ${what}`,
    `The floor: agree ${agree} of ${of}, cosign ${cosign}, ${rounds} rounds at most. Its owner changes it: quorate charter set ${job.kind === 'test' ? '--test-floor' : '--floor'}`,
  );
}
