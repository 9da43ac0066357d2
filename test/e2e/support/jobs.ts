export interface JobOptions {
  run: (string | object)[];
  outputs?: string[];
  time?: string;
  memory?: string;
  disk?: string;
  files?: number;
  agree?: number;
  of?: number;
  rounds?: number;
  image?: string;
}

/** A `quorate.yaml` with one job, `build`. */
export function jobFile(options: JobOptions): string {
  const { run, outputs = ['.'], time = '1m', memory = '256MiB', disk = '64MiB', files = 2000 } = options;
  const { agree = 2, of = 3, rounds = 2, image = 'host' } = options;
  return `jobs:
  build:
    image: ${image}
    run: ${JSON.stringify(run)}
    outputs: ${JSON.stringify(outputs)}
    limits: {cpus: 1, memory: ${memory}, disk: ${disk}, time: ${time}, files: ${files}}
    trust: {agree: ${agree}, of: ${of}, cosign: required, rounds: ${rounds}}
`;
}

export const sayScript = (says: string): string => `#!/bin/sh\necho ${says}\n`;

/** Files of a repository whose build takes these steps, and then makes a program that says `says`. */
export function program(says: string, ...before: string[]): Record<string, string> {
  return {
    'say.sh': sayScript(says),
    'quorate.yaml': jobFile({
      run: [...before, 'mkdir "$OUT/bin"', 'install -m 755 say.sh "$OUT/bin/say"'],
      time: '10m',
    }),
  };
}
