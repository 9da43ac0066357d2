#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roman.h"

/* roman NUMBER prints its numeral, roman NUMERAL its value. Exit: 1 not a numeral, 2 wrong use. */
int main(int count, char **words) {
  char text[ROMAN_TEXT_MAX];
  if (count != 2) {
    fprintf(stderr, "usage: roman <1 to %d, or a numeral> | --version\n", ROMAN_MAX);
    return 2;
  }
  if (strcmp(words[1], "--version") == 0) {
    puts("roman " VERSION);
    return 0;
  }
  char *end;
  long value = strtol(words[1], &end, 10);
  if (end != words[1] && *end == '\0') {
    if (value < 1 || value > ROMAN_MAX || roman_write((int)value, text) == 0) return 1;
    puts(text);
    return 0;
  }
  int read = roman_read(words[1]);
  if (read == 0) return 1;
  printf("%d\n", read);
  return 0;
}
