/* SPDX-License-Identifier: MIT */
/* Opens the artifact with the installed libaotrt. */
#include <aot.h>
#include <stdio.h>

int main(void)
{
    static float image[3 * 32 * 32];
    char text[300] = "";
    aot_file *file;
    aot_session *session;
    if (aot_open(ARTIFACT, NULL, &file, text, sizeof text))
        return puts(text), 1;
    if (aot_session_new(file, NULL, 1, &session))
        return puts(aot_session_error(NULL)), 1;
    int bad = aot_set_input(session, 0, image, (int64_t[]){ 1, 3, 32, 32 }, 4) || aot_run(session);
    puts(bad ? aot_session_error(session) : "host done");
    aot_session_free(session);
    aot_close(file);
    return bad;
}
