/*
 * The parts of the native program that read what strangers made, each as a program of its own that a sanitizer watches:
 * with -DREADS_JOB the job, else a tar stream. Compiled with -Dmemcpy=… -Dmemset=…, since the program has its own.
 */
#ifdef READS_JOB
#include "first.c"
int unpack(void) { return 0; }
int pack(int out, char **paths, size_t count) { return out + (paths == 0) + (int)count; }
#else
#include "unpack.c"
#endif

int main(void) {
#ifdef READS_JOB
  read_job();
  leave(0);
#else
  leave(unpack());
#endif
}
