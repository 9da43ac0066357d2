const imageErrors = {
  IMAGE_AMBIGUOUS:
    'The archive or layout holds several images, or none of the given name. Select one: `quorate image import --name`.',
  IMAGE_ARCH_MISMATCH:
    'The image is for another processor or system; the message says which. Get the image for yours, or give its architecture: `--arch`.',
  IMAGE_INVALID:
    'The file or folder is no image that is read here: neither an OCI image layout (a folder, or a tar of one) nor output of `docker save`, damaged, or with paths or layers that no image tool writes; the message says which. Get it again from its source; decompress it first where the message says so.',
  IMAGE_NOT_FOUND: 'There is no file or folder at the given path.',
  IMAGE_NO_MIRROR:
    'The configuration of apt on this host has no mirror of the Debian suite. Give one: `--mirror`.',
  IMAGE_TOOL_FAILED: 'The program that creates images or file systems failed; the message is its output.',
  IMAGE_TOOL_MISSING: 'A program is not installed; the hint names its Debian package.',
  IMAGE_TOO_LARGE:
    'The image exceeds the limit for images, or the space for images on this host; the message says which. Make it smaller, or raise the limit: `images` in `worker.toml`.',
  IMAGE_UNFIT:
    'The tree cannot be the root of a build: a mount point of the sandbox is missing or is a link, or a program is that the sandbox runs inside (`sh`, `cat`, `env`, `rm`, `sleep`, GNU `tar`, `setpriv`); the message names it. Create images with `quorate image build` or `import` (`docs/images.md`).',
} as const;

export type ImageErrorCode = keyof typeof imageErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<ImageErrorCode, string> {}
}
