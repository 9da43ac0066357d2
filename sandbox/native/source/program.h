#pragma once
#include "sys.h"

/* enter.c */
_Noreturn void enter(int words, char **word, char **environment);

/* first.c: the first process of a sandbox. */
_Noreturn void first(void);

/* privileges.c: gives up all of them, for the account `uid`. Ends this process where one is kept. */
void drop_privileges(uint32_t uid);

/* unpack.c: a tar stream on standard input to the current folder. Returns the code of what it came to. */
enum { UNPACKED = 0, UNPACK_FAILED = 2, UNPACK_FULL = 3, UNPACK_CUT = 4 };
int unpack(void);

/* pack.c: the files at `paths`, below the current folder, as a tar stream. Returns 0 when all of them are in it. */
int pack(int out, char **paths, size_t count);

/* serve.c: starts programs for the process at descriptors 0 and 1. */
_Noreturn void serve(const char *first);
