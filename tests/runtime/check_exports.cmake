# SPDX-License-Identifier: MIT
# libaotrt.so exports what part 2 of aot.h declares, and nothing else.
execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE symbols
    COMMAND_ERROR_IS_FATAL ANY)
file(READ ${HEADER} header)
string(REGEX MATCHALL "[TDBR] [A-Za-z_0-9]+" exported "${symbols}")
string(FIND "${header}" "Part 2: libaotrt" part)
string(SUBSTRING "${header}" ${part} -1 header)
string(REGEX MATCHALL "AOT_EXPORT [^(]*(aot_[a-z_]+)\\(" declared "${header}")
list(TRANSFORM exported REPLACE "^. " "")
list(TRANSFORM declared REPLACE "AOT_EXPORT [^(]*(aot_[a-z_]+)\\(" "\\1")
list(SORT exported)
list(SORT declared)
if(NOT exported STREQUAL declared OR NOT declared)
    message(FATAL_ERROR "exported: ${exported}\ndeclared: ${declared}")
endif()
