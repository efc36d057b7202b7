// SPDX-License-Identifier: MIT
package org.aotc;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Memory of the library's own: direct, native order, aligned to 64 bytes. It is given back when it is no longer
 *  needed, not when the collector finds it: calls without garbage give the collector no reason to look. */
final class Block {
    private static final MethodHandle FREE = findFree();

    private final ByteBuffer raw;
    final ByteBuffer bytes;
    /** A caller has seen it: only the collector knows when nobody does any more. */
    boolean isShown;

    Block(long size) {
        int wanted = (int) Math.max(size, 64);
        raw = ByteBuffer.allocateDirect(wanted + 64);
        int start = 64 - raw.alignmentOffset(0, 64) & 63;
        bytes = raw.slice(start, wanted).order(ByteOrder.nativeOrder());
    }

    private static MethodHandle findFree() {
        try {
            Class<?> unsafe = Class.forName("sun.misc.Unsafe");
            Field instance = unsafe.getDeclaredField("theUnsafe");
            instance.setAccessible(true);
            MethodType type = MethodType.methodType(void.class, ByteBuffer.class);
            return MethodHandles.lookup().findVirtual(unsafe, "invokeCleaner", type).bindTo(instance.get(null));
        } catch (ReflectiveOperationException e) {
            return null; // then it is the collector's after all
        }
    }

    /** Nobody reads or writes it any more. */
    void free() {
        if (isShown || FREE == null)
            return;
        try {
            FREE.invoke(raw);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
