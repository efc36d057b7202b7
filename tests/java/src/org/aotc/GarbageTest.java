// SPDX-License-Identifier: MIT
package org.aotc;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.junit.jupiter.api.Test;

/** A call makes no garbage once buffers have their sizes. */
class GarbageTest {
    private static final int WARM = 30_000, CALLS = 100_000;
    private static final com.sun.management.ThreadMXBean THREADS =
        (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static long allocated(Runnable call, int calls) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < calls; i++)
            call.run();
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

    /** The bean's own garbage is that of no calls at all. */
    private static void assertNone(String what, Runnable call) {
        allocated(call, WARM);
        long own = allocated(call, 0);
        assertEquals(0, (allocated(call, CALLS) - own) / CALLS, what + ": bytes a call");
    }

    private static FloatBuffer direct(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    @Test
    void steadyStateMakesNone() {
        try (Model model = Model.open(System.getProperty("aotc.test.toy")); Session session = model.session()) {
            Tensor x = session.input("x"), y = session.output("y");
            float[] in = new float[32], out = new float[32];
            FloatBuffer lent = direct(32), result = direct(32);
            assertNone("arrays", () -> {
                x.set(in);
                session.run();
                y.get(out);
            });
            assertNone("views", () -> {
                x.floats().put(0, 1f);
                session.run();
                out[0] = y.floats().get(31);
            });
            assertNone("the caller's buffers", () -> {
                x.bind(lent);
                y.bind(result);
                session.run();
            });
        }
        try (Model model = Model.open(System.getProperty("aotc.test.toy"));
             Session session = model.method("nonzero").session()) {
            float[] in = new float[40];
            in[3] = 1;
            assertNone("sizes that the data decide", () -> {
                session.input(0).set(in);
                session.run();
            });
        }
    }
}
