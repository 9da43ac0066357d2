/* The native program of sandboxes (docs/adr/0060-a-native-first-process.md). */
#include "program.h"

#ifdef __x86_64__
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#else
__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n");
#endif

/* `stack`, as the kernel leaves it: the number of arguments, these, 0, the environment, 0 (execve(2)). */
__attribute__((used)) _Noreturn void begin(long *stack) {
  int words = (int)stack[0];
  char **word = (char **)(stack + 1);
  if (words >= 2 && same(word[1], "enter")) enter(words - 2, word + 2, word + words + 1);
  if (words == 2 && same(word[1], "first")) first();
  if (words == 2 && same(word[1], "unpack")) leave(unpack());
  if (words >= 2 && same(word[1], "pack")) leave(pack(1, word + 2, (size_t)(words - 2)));
  if (words == 3 && same(word[1], "serve")) serve(word[2]);
  if (words == 2 && same(word[1], "version")) leave(write_all(1, "quorate-native 1\n", 17) < 0);
  fail("usage: enter WORDS… -- COMMAND | first | unpack | pack PATH… | serve FIRST | version", "", 0);
}
