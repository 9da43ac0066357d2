/** Co-signatures that a policy may ask for: how many trusted workers have to sign, and what `charter set --floor` takes for it. */
export const cosigning = {
  required: { signers: 1, asFloor: '+cosign' },
  none: { signers: 0, asFloor: '' },
} as const;

export const cosignKinds = Object.keys(cosigning) as (keyof typeof cosigning)[];
