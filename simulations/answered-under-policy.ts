import { type ControllerState, publishedOf } from '../src/controller/machine/state.ts';
import type { Policy, Request } from '../src/protocol/documents/index.ts';
import { breaking } from './broken-controller.ts';
import type { Work } from './scenario.ts';

const common = {
  nature: 'reproducible',
  portable: true,
  cancelAfterMs: undefined,
  expiresSeconds: 7200,
} as const;
const lax: Policy = { agree: 2, of: 3, cosign: 'none', rounds: 2 };
/** A job without a co-signature, requested again with one. */
const laxThenStrict: Work[] = [
  { ...common, name: 'lib', submitAfterMs: 1_000, policy: lax },
  {
    ...common,
    ...{ name: 'lib-0', repeats: 'lib', submitAfterMs: 900_000 },
    policy: { ...lax, cosign: 'required' },
  },
];

/** The policy under which the job was built before. */
function policyBefore({ index }: ControllerState, { job, policy }: Request): Policy {
  const before = index.builtOf(job).find((run) => publishedOf(run)?.verdict.level === 'trusted');
  return before?.request.payload.policy ?? policy;
}

/** A planted bug: what the policy of a later request asks for is forgotten. */
export const answeredUnderEarlierPolicy = {
  says: 'a job that was built before is answered at the level that it had under the policy of the earlier request',
  caughtBy: 'answers',
  scenario: { trusted: 'there' as const, works: laxThenStrict },
  patches: breaking((controller, handle) => (event, now) => {
    if (event.kind !== 'submit') return handle(event, now);
    const { request } = event;
    const policy = policyBefore(controller.state, request.payload);
    const payload = { ...request.payload, policy };
    return handle({ ...event, request: { ...request, payload } }, now);
  }),
};
