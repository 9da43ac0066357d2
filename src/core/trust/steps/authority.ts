import {
  type Charter,
  decodeJob,
  type Grant,
  type Job,
  openMessage,
  type Request,
  type Role,
  type Verified,
} from '../../documents/index.ts';
import { limits } from '../../limits.ts';
import { toUtf8 } from '../../text.ts';
import { policyMeetsFloor } from '../policy.ts';
import { vcsAllowed } from '../vcs.ts';
import type { Ask, Check } from './context.ts';

/** Who runs the project, by the word of the one key the consumer pins. */
export async function openCharter(ask: Ask): Promise<Verified<Charter>> {
  const { bundle, expected, verifier, check } = ask;
  const charter = await openMessage('charter', bundle.charter, verifier);
  const { project } = charter.payload;
  check('CHARTER_PROJECT_MISMATCH', project === expected.project, `the charter is of project ${project}`);
  const byRoot = charter.signer === expected.project;
  check('CHARTER_ISSUER_MISMATCH', byRoot, `${charter.signer} signed the charter, not the root key`);
  return charter;
}

/** `at`: when the grant was used, in seconds. */
export function checkGrant(
  check: Check,
  grant: Verified<Grant>,
  charter: Charter,
  used: { by: string; as: Role; at: number },
): void {
  const { sub, project, role, iat, exp } = grant.payload;
  const skew = limits.clockSkewSeconds;
  const it = `the grant of ${sub}`;
  check(
    'GRANT_ISSUER_MISMATCH',
    charter.idps.includes(grant.signer),
    `${it} is not from an IDP of the charter`,
  );
  check('GRANT_PROJECT_MISMATCH', project === charter.project, `${it} is for project ${project}`);
  check('GRANT_KEY_MISMATCH', sub === used.by, `${it} was used by ${used.by}`);
  check('GRANT_ROLE_MISMATCH', role === used.as, `${it} is for a ${role}; it was used as ${used.as}`);
  const valid = iat - skew <= used.at && used.at <= exp + skew;
  check('GRANT_NOT_VALID_THEN', valid, `${it} was not valid when it was used`);
}

/** The order: a publisher of the project asks for this work, under a policy its charter allows. */
export async function openRequest(ask: Ask, charter: Charter): Promise<Verified<Request>> {
  const { bundle, verifier, check } = ask;
  const request = await openMessage('request', bundle.request, verifier);
  const { project, policy, repo, iat } = request.payload;
  check('REQUEST_PROJECT_MISMATCH', project === charter.project, `the request is for project ${project}`);
  const grant = await openMessage('grant', bundle.publisher, verifier);
  checkGrant(check, grant, charter, { by: request.signer, as: 'publisher', at: iat });
  const meets = policyMeetsFloor(policy, charter.floor);
  check('POLICY_BELOW_FLOOR', meets, 'the policy of the request is weaker than the floor in the charter');
  check('SOURCE_HOST_NOT_ALLOWED', vcsAllowed(charter.vcs, repo), `the charter does not allow ${repo}`);
  return request;
}

export function openJob({ bundle, check }: Ask, request: Request): { job: Job; jobId: string } {
  const { job, id } = decodeJob(toUtf8(bundle.job));
  check('REQUEST_JOB_MISMATCH', id === request.job, `the request is for job ${request.job}, not ${id}`);
  const same = job.source.url === request.repo && job.source.commit === request.commit;
  check('REQUEST_SOURCE_MISMATCH', same, 'the job builds another source than the request names');
  return { job, jobId: id };
}
