#ifndef ROMAN_H
#define ROMAN_H

enum { ROMAN_MAX = 3999, ROMAN_TEXT_MAX = 16 };

/* Writes the numeral of 1 to ROMAN_MAX and a NUL. Returns its length, or 0 for another value. */
int roman_write(int value, char text[ROMAN_TEXT_MAX]);

/* Returns the value of a numeral in its shortest form, or 0 for other text. */
int roman_read(const char *text);

#endif
