/** Error codes of images: what each means and what to do. docs/errors.md is made from it. */
const imageErrors = {
  IMAGE_AMBIGUOUS:
    'The archive or layout holds several images, or none of the name given. Say which: `quorate image import --name`.',
  IMAGE_ARCH_MISMATCH:
    'The image is for another processor or system; the message says which. Get the one for yours, or name it: `--arch`.',
  IMAGE_DAMAGED:
    'A file of the image does not have the digest it is named by, or is not what it should be; the message says which. Get the image again.',
  IMAGE_FORMAT:
    'That is no OCI image layout (a folder, or a tar of one) and nothing `docker save` wrote. Unpack it first when it is compressed as a whole.',
  IMAGE_NOT_FOUND: 'There is nothing at the path that was given.',
  IMAGE_NO_MIRROR:
    'The configuration of apt on this host names no mirror of that Debian suite. Name one: `--mirror`.',
  IMAGE_PATH_REFUSED:
    'The image has a path that no tool writes (absolute, climbing, too long or deep, not UTF-8), or layers that do not fit together. Do not use it.',
  IMAGE_TOOL_FAILED: 'The tool that makes images or file systems of them failed; the message is its own.',
  IMAGE_TOOL_MISSING: 'A program is not installed; the hint names its Debian package.',
  IMAGE_TOO_LARGE:
    'The image is larger than images may be, or than this host has room for; the message says which bound. Make it smaller, or lend more: `images` in `worker.toml`.',
  IMAGE_UNFIT:
    'That tree cannot be the root of a build: it lacks a place the sandbox needs, or has a link there. Make images with `quorate image build` or `import` ([images.md](images.md)).',
} as const;

export type ImageErrorCode = keyof typeof imageErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<ImageErrorCode, string> {}
}
