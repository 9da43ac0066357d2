#include <stdio.h>

#include "roman.h"

enum { LENGTH_MAX = 8 };

static const char letters[] = "IVXLCDM";

/* Numerals among all texts of these letters that begin with the first `length` characters. */
static int numerals(char *text, int length) {
  text[length] = '\0';
  int found = roman_read(text) != 0;
  for (const char *letter = letters; length < LENGTH_MAX && *letter != '\0'; letter++) {
    text[length] = *letter;
    found += numerals(text, length + 1);
  }
  return found;
}

/* Of all texts up to a length, no more are numerals than values have one that short. */
int main(void) {
  char text[ROMAN_TEXT_MAX];
  int expected = 0;
  for (int value = 1; value <= ROMAN_MAX; value++) expected += roman_write(value, text) <= LENGTH_MAX;
  int found = numerals(text, 0);
  printf("invalid: %d texts are numerals, %d expected\n", found, expected);
  return found == expected ? 0 : 1;
}
