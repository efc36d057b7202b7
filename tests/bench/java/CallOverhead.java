// SPDX-License-Identifier: MIT
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import org.aotc.Model;
import org.aotc.Session;
import org.aotc.Tensor;

/** What a call from Java costs, the run of a small model included: least and median of 2,000 rounds of 2,000 calls, and
 *  the bytes of garbage a call makes.
 *
 *  <pre>java -cp aotc.jar:jna.jar tests/bench/java/CallOverhead.java add.so</pre> */
public final class CallOverhead {
    private static final int ROUNDS = 2000, CALLS = 2000;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static void measure(String what, Runnable call) {
        double[] ns = new double[ROUNDS];
        for (int i = 0; i < 50 * CALLS; i++)
            call.run();
        long own = -THREADS.getCurrentThreadAllocatedBytes() + THREADS.getCurrentThreadAllocatedBytes();
        long bytes = THREADS.getCurrentThreadAllocatedBytes();
        for (int round = 0; round < ROUNDS; round++) {
            long begun = System.nanoTime();
            for (int i = 0; i < CALLS; i++)
                call.run();
            ns[round] = (double) (System.nanoTime() - begun) / CALLS;
        }
        bytes = THREADS.getCurrentThreadAllocatedBytes() - bytes - own;
        Arrays.sort(ns);
        System.out.printf("%-34s %7.1f ns at least, %7.1f median, %.3f bytes a call%n", what, ns[0], ns[ROUNDS / 2],
                          (double) bytes / CALLS / ROUNDS);
    }

    public static void main(String[] arguments) {
        try (Model model = Model.open(arguments[0]); Session session = model.session()) {
            Tensor x = session.input(0), y = session.output(0);
            for (Tensor input : session.inputs())
                input.set(new float[(int) input.count()]);
            float[] in = new float[(int) x.count()], out;
            FloatBuffer lent = ByteBuffer.allocateDirect(4 * in.length).order(ByteOrder.nativeOrder()).asFloatBuffer();
            session.run();
            out = y.toFloats();
            System.out.println(session.method());
            measure("run", session::run);
            measure("set(float[]), run, get(float[])", () -> {
                x.set(in);
                session.run();
                y.get(out);
            });
            measure("bind(FloatBuffer), run, floats()", () -> {
                x.bind(lent);
                session.run();
                out[0] = y.floats().get(0);
            });
        }
    }
}
