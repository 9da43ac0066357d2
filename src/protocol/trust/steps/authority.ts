import { toUtf8 } from '../../base/text.ts';
import {
  type Charter,
  decodeJob,
  type Grant,
  type Job,
  openMessage,
  type Request,
  type Verified,
} from '../../documents/index.ts';
import { checkJob, checkRequest } from '../../judge/index.ts';
import type { Ask } from './context.ts';

/** Opens the charter; it must be signed by the root key that the consumer pins. */
export async function openCharter(ask: Ask): Promise<Verified<Charter>> {
  const { bundle, expected, verifier, check } = ask;
  const charter = await openMessage('charter', bundle.charter, verifier);
  const { project } = charter.payload;
  check('CHARTER_PROJECT_MISMATCH', project === expected.project, `the charter is of project ${project}`);
  const byRoot = charter.signer === expected.project;
  check('CHARTER_ISSUER_MISMATCH', byRoot, `${charter.signer} signed the charter, not the root key`);
  return charter;
}

/** Opens the request and its publisher's grant; it must be from a publisher, for a repository that the charter allows. */
export async function openRequest(
  ask: Ask,
  charter: Charter,
): Promise<{ request: Verified<Request>; publisher: Verified<Grant> }> {
  const { bundle, verifier, check } = ask;
  const request = await openMessage('request', bundle.request, verifier);
  const publisher = await openMessage('grant', bundle.publisher, verifier);
  checkRequest(check, { request, publisher }, charter);
  return { request, publisher };
}

/** Opens the job that was asked for; the policy must be one that the charter allows for such a job. */
export function openJob(
  { bundle, check }: Ask,
  request: Request,
  charter: Charter,
): { job: Job; jobId: string } {
  const { job, id } = decodeJob(toUtf8(bundle.job));
  checkJob(check, request, { job }, charter);
  return { job, jobId: id };
}
