/** Leaves of the log, one line each. They name documents by id, so that a log can be public and its builds not. */
export const leaves = {
  charter: (id: string) => `charter ${id}`,
  /** Gives the operator its `enrolled` index. */
  enrol: (operator: string, role: string, invite: string) => `enrol ${operator} ${role} ${invite}`,
  /** Names its request, so that a reader of the log finds each round of it. */
  offer: (id: string, job: string, request: string) => `offer ${id} job ${job} request ${request}`,
  receipt: (id: string, offer: string) => `receipt ${id} offer ${offer}`,
  verdict: (id: string, job: string) => `verdict ${id} job ${job}`,
  revocation: (id: string) => `revocation ${id}`,
  /** In the place of a leaf that no member had when a journal was restored. `index`: its own. */
  lost: (index: number) => `lost ${index}`,
};
