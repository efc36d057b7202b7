/* SPDX-License-Identifier: MIT */
/* Two models in one program: arguments of drive.c for the first, "+", those for the second. */
#include <string.h>

int drive_a(int argc, char **argv);
int drive_b(int argc, char **argv);

int main(int argc, char **argv)
{
    int split = 1;
    while (split < argc && strcmp(argv[split], "+") != 0)
        split++;
    return drive_a(split, argv) || drive_b(argc - split, argv + split);
}
