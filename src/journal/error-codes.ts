const journalErrors = {
  JOURNAL_BUSY: 'The journal changed each time that it was copied. Try again when less is written to it.',
  JOURNAL_DAMAGED:
    'The journal, or an event in it, cannot be read. Restore the file from a copy; nothing is guessed from half a journal.',
  JOURNAL_IN_USE:
    'Another Quorate (a controller, a worker) runs on this folder already. Stop it first; a second worker on this host needs a folder of its own: `--home`.',
  JOURNAL_MACHINE_MISMATCH: 'The journal was written by another state machine: a controller or a worker.',
  JOURNAL_OLDER:
    'The journal was written by a version whose journals this one does not read. Go on with that version.',
  JOURNAL_UNWRITABLE:
    'The journal cannot be written. Make room on the disk or mend its permissions, then start again: nothing acknowledged is lost.',
} as const;

export type JournalErrorCode = keyof typeof journalErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<JournalErrorCode, string> {}
}
