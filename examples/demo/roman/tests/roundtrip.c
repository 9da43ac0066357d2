#include <stdio.h>

#include "roman.h"

/* Every value becomes a numeral, and that numeral the same value. */
int main(void) {
  char text[ROMAN_TEXT_MAX];
  for (int again = 0; again < 100; again++)
    for (int value = 1; value <= ROMAN_MAX; value++)
      if (roman_write(value, text) == 0 || roman_read(text) != value) {
        printf("%d became %s, and that %d\n", value, text, roman_read(text));
        return 1;
      }
  printf("roundtrip: %d values passed\n", ROMAN_MAX);
  return 0;
}
