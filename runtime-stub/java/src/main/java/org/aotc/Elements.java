// SPDX-License-Identifier: MIT
package org.aotc;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

/** Elements between Java's arrays and typed buffers; buffers of all types asked the same questions. */
final class Elements {
    private Elements() {}

    // ---- Buffers

    static Buffer typed(ByteBuffer at, DType type) {
        Class<?> element = type.element;
        return element == float.class ? at.asFloatBuffer() : element == double.class ? at.asDoubleBuffer()
            : element == long.class ? at.asLongBuffer() : element == int.class ? at.asIntBuffer()
            : element == short.class ? at.asShortBuffer() : at;
    }

    static Class<?> element(Buffer buffer) {
        return buffer instanceof FloatBuffer ? float.class : buffer instanceof DoubleBuffer ? double.class
            : buffer instanceof LongBuffer ? long.class : buffer instanceof IntBuffer ? int.class
            : buffer instanceof ShortBuffer ? short.class : buffer instanceof ByteBuffer ? byte.class : char.class;
    }

    static int unit(Class<?> element) {
        return element == long.class || element == double.class ? 8 : element == int.class || element == float.class ? 4
            : element == short.class || element == char.class ? 2 : 1;
    }

    /** Bytes have an order only once they are seen as something else. */
    static boolean isNative(Buffer b) {
        ByteOrder order = b instanceof FloatBuffer f ? f.order() : b instanceof DoubleBuffer d ? d.order()
            : b instanceof LongBuffer l ? l.order() : b instanceof IntBuffer i ? i.order()
            : b instanceof ShortBuffer s ? s.order() : ByteOrder.nativeOrder();
        return order == ByteOrder.nativeOrder();
    }

    // ---- Arrays

    /** May arrays of this element stand for the type? */
    static boolean accepts(DType type, Class<?> element) {
        return element == type.element || element == float.class && type.isHalf();
    }

    static void put(Buffer to, DType type, Object from) {
        if (from instanceof float[] a && type.isHalf())
            for (int i = 0; i < a.length; i++)
                ((ShortBuffer) to).put(i, type.narrow(a[i]));
        else if (from instanceof boolean[] a)
            for (int i = 0; i < a.length; i++)
                ((ByteBuffer) to).put(i, (byte) (a[i] ? 1 : 0));
        else if (from instanceof float[] a)
            ((FloatBuffer) to).put(0, a);
        else if (from instanceof double[] a)
            ((DoubleBuffer) to).put(0, a);
        else if (from instanceof long[] a)
            ((LongBuffer) to).put(0, a);
        else if (from instanceof int[] a)
            ((IntBuffer) to).put(0, a);
        else if (from instanceof short[] a)
            ((ShortBuffer) to).put(0, a);
        else
            ((ByteBuffer) to).put(0, (byte[]) from);
    }

    /** As many elements as the array has, from element `at` of the buffer on. */
    static void get(Buffer from, int at, DType type, Object to) {
        if (to instanceof float[] a && type.isHalf())
            for (int i = 0; i < a.length; i++)
                a[i] = type.widen(((ShortBuffer) from).get(at + i));
        else if (to instanceof boolean[] a)
            for (int i = 0; i < a.length; i++)
                a[i] = ((ByteBuffer) from).get(at + i) != 0;
        else if (to instanceof float[] a)
            ((FloatBuffer) from).get(at, a);
        else if (to instanceof double[] a)
            ((DoubleBuffer) from).get(at, a);
        else if (to instanceof long[] a)
            ((LongBuffer) from).get(at, a);
        else if (to instanceof int[] a)
            ((IntBuffer) from).get(at, a);
        else if (to instanceof short[] a)
            ((ShortBuffer) from).get(at, a);
        else
            ((ByteBuffer) from).get(at, (byte[]) to);
    }

    // ---- Strides

    /** Copies between row-major elements and the same with strides; `in`: into the strided ones.
     *
     *  @param index room for one number per dimension */
    static void walk(ByteBuffer rows, ByteBuffer strided, long[] shape, long[] strides, int bytes, boolean in,
                     int[] index) {
        int rank = shape.length, offset = 0, dense = 0;
        for (int i = 0; i < rank; i++) {
            index[i] = 0;
            if (shape[i] == 0)
                return;
        }
        for (int i = rank - 1; i >= 0;) {
            if (in)
                strided.put(offset * bytes, rows, dense * bytes, bytes);
            else
                rows.put(dense * bytes, strided, offset * bytes, bytes);
            dense++;
            for (i = rank - 1; i >= 0; i--) {
                offset += (int) strides[i];
                if (++index[i] < shape[i])
                    break;
                offset -= (int) (strides[i] * shape[i]);
                index[i] = 0;
            }
        }
    }
}
