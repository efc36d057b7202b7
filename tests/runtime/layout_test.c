/* SPDX-License-Identifier: MIT */
/* layout_test.c: the places of all fields on 64-bit machines. A change here is a break of the ABI:
 * fields are appended, never moved. Compiled by every compiler that may meet aot.h. */
#include "aot.h"

#ifdef __GNUC__
#define OFFSET(type, field) __builtin_offsetof(type, field)
#else
#define OFFSET(type, field) ((size_t)&((type *)0)->field)
#endif
#define PLACE(type, field, offset) \
    _Static_assert(OFFSET(type, field) == (offset), #type "." #field)
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)

SIZE(int8_t, 1);
SIZE(int16_t, 2);
SIZE(int32_t, 4);
SIZE(int64_t, 8);
SIZE(uint64_t, 8);
SIZE(size_t, sizeof(void *));
SIZE(DLDevice, 8);
SIZE(DLDataType, 4);
SIZE(DLTensor, 48);
SIZE(aot_host, 48);
SIZE(aot_dim, 32);
SIZE(aot_port, 56);
SIZE(aot_segment, 96);
SIZE(aot_weights_header, 128);
SIZE(aot_call, 104);
SIZE(aot_method, 88);
SIZE(aot_model, 96);

PLACE(DLTensor, ndim, 16);
PLACE(DLTensor, shape, 24);
PLACE(DLTensor, byte_offset, 40);
PLACE(aot_host, parallel_for, 16);
PLACE(aot_host, grow, 24);
PLACE(aot_host, event, 32);
PLACE(aot_host, features, 40);
PLACE(aot_dim, symbol, 16);
PLACE(aot_port, dtype, 16);
PLACE(aot_port, ndim, 20);
PLACE(aot_port, dims, 24);
PLACE(aot_port, constant, 40);
PLACE(aot_port, flags, 48);
PLACE(aot_segment, embedded, 24);
PLACE(aot_segment, sha256, 32);
PLACE(aot_segment, layout, 64);
PLACE(aot_weights_header, header_bytes, 12);
PLACE(aot_weights_header, bytes, 16);
PLACE(aot_weights_header, layout, 32);
PLACE(aot_weights_header, contents, 64);
PLACE(aot_weights_header, sum, 96);
#ifndef AOT_MODEL_ONLY
SIZE(aot_options, 56);
PLACE(aot_options, image_bytes, 24);
PLACE(aot_options, public_key, 40);
PLACE(aot_options, weights, 48);
#endif
PLACE(aot_call, output_bytes, 24);
PLACE(aot_call, workspace, 32);
PLACE(aot_call, needed_workspace, 48);
PLACE(aot_call, state, 56);
PLACE(aot_call, host, 72);
PLACE(aot_call, threads, 80);
PLACE(aot_call, error_bytes, 96);
PLACE(aot_method, inputs, 32);
PLACE(aot_method, workspace_max, 48);
PLACE(aot_method, plan, 72);
PLACE(aot_model, abi, 8);
PLACE(aot_model, metadata, 32);
PLACE(aot_model, state_bytes, 56);
PLACE(aot_model, methods, 64);
PLACE(aot_model, init_state, 80);
PLACE(aot_model, features, 88);

_Static_assert(AOT_EDTYPE == 2 && AOT_ESHAPE == 3 && AOT_EDATA == 5 && AOT_ESPACE == 6
               && AOT_EHOST == 7 && AOT_EABI == 9 && AOT_ESIGNATURE == 10, "status codes");

int main(void)
{
    return 0;
}
