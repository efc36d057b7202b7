// SPDX-License-Identifier: MIT
package org.aotc;

import org.aotc.AotException.Status;

/** Element types, and the Java arrays that hold them. Unsigned types travel as the signed type of the
 *  same size; complex numbers as pairs (real, imaginary). */
public enum DType {
    FLOAT32("float32", 0x220, 4, float.class),
    FLOAT64("float64", 0x240, 8, double.class),
    /** {@code short[]} holds the bits; {@code float[]} is converted. */
    FLOAT16("float16", 0x210, 2, short.class),
    /** {@code short[]} holds the bits; {@code float[]} is converted. */
    BFLOAT16("bfloat16", 0x410, 2, short.class),
    INT8("int8", 0x008, 1, byte.class),
    INT16("int16", 0x010, 2, short.class),
    INT32("int32", 0x020, 4, int.class),
    INT64("int64", 0x040, 8, long.class),
    UINT8("uint8", 0x108, 1, byte.class),
    UINT16("uint16", 0x110, 2, short.class),
    UINT32("uint32", 0x120, 4, int.class),
    UINT64("uint64", 0x140, 8, long.class),
    BOOL("bool", 0x608, 1, boolean.class),
    COMPLEX64("complex64", 0x540, 8, float.class),
    COMPLEX128("complex128", 0x580, 16, double.class);

    private final String text;
    final int packed;
    /** Of one element. */
    public final int bytes;
    /** The primitive type whose arrays hold elements without conversion. */
    public final Class<?> element;

    DType(String text, int packed, int bytes, Class<?> element) {
        this.text = text;
        this.packed = packed;
        this.bytes = bytes;
        this.element = element;
    }

    static DType of(int packed) {
        for (DType type : values())
            if (type.packed == packed)
                return type;
        throw new AotException(Status.ABI, "the model has an element type that this library does not know: 0x"
            + Integer.toHexString(packed));
    }

    /** 2 for complex numbers, else 1: array elements per element. */
    int parts() {
        return this == COMPLEX64 || this == COMPLEX128 ? 2 : 1;
    }

    boolean isHalf() {
        return this == FLOAT16 || this == BFLOAT16;
    }

    /** As PyTorch calls it: "float32". */
    @Override
    public String toString() {
        return text;
    }

    // ---- 16-bit floats

    float widen(short bits) {
        if (this == BFLOAT16)
            return Float.intBitsToFloat(bits << 16);
        int sign = (bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
        if (exponent == 0) // zero or subnormal: a multiple of 2^-24
            return Float.intBitsToFloat(sign | Float.floatToRawIntBits(fraction * 0x1p-24f));
        return Float.intBitsToFloat(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13);
    }

    /** Rounds to the nearest, ties to even. */
    short narrow(float value) {
        int bits = Float.floatToRawIntBits(value), sign = bits >>> 16 & 0x8000;
        if (Float.isNaN(value))
            return (short) (sign | (this == BFLOAT16 ? 0x7fc0 : 0x7e00));
        if (this == BFLOAT16)
            return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
        float size = Math.abs(value);
        if (size < 0x1p-14f) // the result's unit is 2^-24, and rint rounds as it should
            return (short) (sign | (int) Math.rint(size * 0x1p24));
        if (size >= 65520f)
            return (short) (sign | 0x7c00);
        int rest = (bits & 0x7fffffff) - (112 << 23);
        return (short) (sign | rest + 0xfff + (rest >>> 13 & 1) >>> 13);
    }
}
