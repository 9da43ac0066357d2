#include "roman.h"

#include <string.h>

static const struct {
  int value;
  const char *text;
} parts[] = {
    {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
    {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"},
};
enum { PARTS = sizeof parts / sizeof *parts };

int roman_write(int value, char text[ROMAN_TEXT_MAX]) {
  char *end = text;
  if (value < 1 || value > ROMAN_MAX) return 0;
  for (int part = 0; part < PARTS; part++)
    for (; value >= parts[part].value; value -= parts[part].value)
      for (const char *from = parts[part].text; *from != '\0'; from++) *end++ = *from;
  *end = '\0';
  return (int)(end - text);
}

int roman_read(const char *text) {
  char shortest[ROMAN_TEXT_MAX];
  const char *rest = text;
  int value = 0;
  for (int part = 0; part < PARTS; part++)
    for (size_t length = strlen(parts[part].text); strncmp(rest, parts[part].text, length) == 0; rest += length)
      if ((value += parts[part].value) > ROMAN_MAX) return 0;
  if (*rest != '\0' || roman_write(value, shortest) == 0) return 0;
  return strcmp(shortest, text) == 0 ? value : 0;
}
