/* Functions that compilers call implicitly, for boards without a C library: compiled with -fno-builtin. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    volatile unsigned char *out = to;
    const unsigned char *in = from;
    while (n--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, size_t n)
{
    volatile unsigned char *out = to;
    while (n--)
        *out++ = (unsigned char)value;
    return to;
}
