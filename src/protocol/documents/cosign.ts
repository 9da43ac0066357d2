/** Co-signatures that a policy may ask for: how many trusted workers have to sign, what `charter set --floor` takes for it, and how a plan says it. */
export const cosigning = {
  required: { signers: 1, asFloor: '+cosign', inPlan: ' and co-signed' },
  none: { signers: 0, asFloor: '', inPlan: '' },
} as const;

export const cosignKinds = Object.keys(cosigning) as (keyof typeof cosigning)[];
