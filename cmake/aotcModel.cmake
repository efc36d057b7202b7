# SPDX-License-Identifier: MIT
# aotc_add_model: a model archive as a library target.
#
#   aotc_add_model(TARGET name SOURCE model.pt2
#       [METHOD name=file.pt2 ...]     further methods
#       [CUSTOM_OP name=file.c ...]    operators of one's own
#       [CPU x86-64-v3]                what --target takes; by default made of CMAKE_SYSTEM_PROCESSOR
#       [MODULE]                       a shared object for aot_open instead
#       [OPTIONS flag ...])            further flags of aotc
#
# Without MODULE the target is a static library of C that the project's own compiler compiles, so it follows a
# toolchain file. Who links it includes <name.h>: sizes and ranges as macros, name_entry, and name_METHOD_run.
# With MODULE, $<TARGET_FILE:name> is the artifact, which holds several instruction sets; only for x86-64.
# aotc runs again when one of the files that it read, its flags, or aotc itself has changed.
cmake_policy(PUSH)
cmake_policy(VERSION 3.25)

# "name=file": the file is relative to the source folder.
function(_aotc_flag_files list flag)
    set(flags ${${list}})
    foreach(pair IN LISTS ARGN)
        if(NOT pair MATCHES "^([^=]+)=(.+)$")
            message(FATAL_ERROR "aotc_add_model: ${pair}: not of the form NAME=FILE")
        endif()
        set(name ${CMAKE_MATCH_1})
        set(file ${CMAKE_MATCH_2})
        cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
        list(APPEND flags ${flag} ${name}=${file})
    endforeach()
    set(${list} ${flags} PARENT_SCOPE)
endfunction()

function(_aotc_processor result)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        set(${result} x86-64-v3 PARENT_SCOPE)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
        set(${result} aarch64 PARENT_SCOPE)
    else()
        set(${result} generic PARENT_SCOPE)
    endif()
endfunction()

# The command that makes `output` and what ARGN names beside it.
function(_aotc_command output source flags)
    get_filename_component(folder ${output} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    file(RELATIVE_PATH shown ${CMAKE_SOURCE_DIR} ${source})
    add_custom_command(OUTPUT ${output} ${ARGN}
        COMMAND aotc::aotc ${source} ${flags} -o ${output} -MF ${output}.d
        DEPENDS ${source} $<TARGET_FILE:aotc::aotc> DEPFILE ${output}.d
        COMMENT "aotc ${shown}" VERBATIM)
endfunction()

function(_aotc_module target source flags)
    _aotc_processor(processor)
    if(NOT processor STREQUAL x86-64-v3)
        message(FATAL_ERROR "aotc_add_model: MODULE is for x86-64; this builds for ${CMAKE_SYSTEM_PROCESSOR}")
    endif()
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${target}.so)
    _aotc_command(${output} ${source} "${flags}")
    add_custom_target(${target}_artifact ALL DEPENDS ${output})
    add_library(${target} MODULE IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${output})
    add_dependencies(${target} ${target}_artifact)
endfunction()

# The C files of CUSTOM_OP belong to the library; each includes aot.h, a copy of which is beside the model, because the
# package's folder may hold headers of this machine.
function(_aotc_custom_sources target folder)
    foreach(pair IN LISTS ARGN)
        string(REGEX REPLACE "^[^=]+=" "" file ${pair})
        cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
        list(APPEND files ${file})
    endforeach()
    if(files)
        list(REMOVE_DUPLICATES files)
        get_target_property(include aotc::aotrt INTERFACE_INCLUDE_DIRECTORIES)
        configure_file(${include}/aot.h ${folder}/custom/aot.h COPYONLY)
        target_sources(${target} PRIVATE ${files})
        target_include_directories(${target} PRIVATE ${folder}/custom)
    endif()
endfunction()

function(_aotc_static target source cpu flags)
    if(NOT CMAKE_C_COMPILER_LOADED)
        message(FATAL_ERROR "aotc_add_model: the model is C; name C among the project's languages")
    endif()
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target}.aotc)
    _aotc_command(${folder}/${target}.c ${source} "--emit=c;--target=${cpu};${flags}" ${folder}/${target}.h)
    string(REGEX REPLACE "[^A-Za-z0-9]" "_" name ${target})
    string(REGEX REPLACE "^([^A-Za-z])" "m\\1" name ${name})
    add_library(${target} STATIC ${folder}/${target}.c ${folder}/${target}.h)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON POSITION_INDEPENDENT_CODE ON
        C_EXTENSIONS ON INTERPROCEDURAL_OPTIMIZATION OFF)
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${folder}>)
    # Constants above 1 MiB are a file beside the C, which the assembler takes in.
    target_compile_definitions(${target} PRIVATE "${name}_WEIGHTS_FILE=\"${folder}/${target}.weights.bin\"")
    if(CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
        target_compile_options(${target} PRIVATE -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math)
    endif()
    if(cpu MATCHES "^x86-64-")
        target_compile_options(${target} PRIVATE -march=${cpu})
    elseif(cpu STREQUAL generic)
        set_target_properties(${target} PROPERTIES C_EXTENSIONS OFF)
        set(weights ${folder}/${target}.weights)
        file(CONFIGURE OUTPUT ${weights}.c CONTENT
"/* The constants of ${target}.c, if they are a file. */
#if __has_include(\"${weights}.bin\")
__asm__(\".pushsection .rodata\\n .balign 64\\n .globl ${name}_weights\\n .hidden ${name}_weights\\n\"
        \"${name}_weights:\\n .incbin \\\"${weights}.bin\\\"\\n .popsection\\n\");
#endif
typedef int ${name}_weights_file;
" @ONLY)
        target_sources(${target} PRIVATE ${weights}.c)
        set_source_files_properties(${weights}.c PROPERTIES OBJECT_DEPENDS ${folder}/${target}.c)
    endif()
endfunction()

function(aotc_add_model)
    cmake_parse_arguments(PARSE_ARGV 0 model MODULE "TARGET;SOURCE;CPU" "METHOD;CUSTOM_OP;OPTIONS")
    if(model_UNPARSED_ARGUMENTS OR NOT model_TARGET OR NOT model_SOURCE)
        message(FATAL_ERROR "aotc_add_model(TARGET name SOURCE model.pt2 [METHOD name=file.pt2 ...] "
            "[CUSTOM_OP name=file.c ...] [CPU level] [MODULE] [OPTIONS flag ...]): ${model_UNPARSED_ARGUMENTS}")
    endif()
    set(source ${model_SOURCE})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    set(flags)
    _aotc_flag_files(flags --method ${model_METHOD})
    _aotc_flag_files(flags --custom-op ${model_CUSTOM_OP})
    list(APPEND flags ${model_OPTIONS})
    if(model_MODULE AND model_CPU)
        message(FATAL_ERROR "aotc_add_model: a MODULE holds several levels; name them with OPTIONS --cpu=...")
    elseif(model_MODULE)
        _aotc_module(${model_TARGET} ${source} "${flags}")
        return()
    endif()
    if(NOT model_CPU)
        _aotc_processor(model_CPU)
    endif()
    _aotc_static(${model_TARGET} ${source} ${model_CPU} "${flags}")
    _aotc_custom_sources(${model_TARGET} ${CMAKE_CURRENT_BINARY_DIR}/${model_TARGET}.aotc ${model_CUSTOM_OP})
endfunction()

cmake_policy(POP)
