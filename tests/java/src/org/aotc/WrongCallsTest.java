// SPDX-License-Identifier: MIT
package org.aotc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.aotc.AotException.Status;
import org.junit.jupiter.api.Test;

/** 100,000 calls, most of them wrong, by four threads that share, close and replace the same sessions and models. Each
 *  ends well or in an AotException; a crash of the JVM ends this test without a verdict, which is a failure. */
class WrongCallsTest {
    private static final int THREADS = 4, CALLS = 25_000, SESSIONS = 3;
    private static final String[] METHODS = {"forward", "accumulate", "nonzero", "positives", "halves"};

    /** What is closed and replaced together. */
    private record Opened(Model model, State state) {
        static Opened anew() {
            Model model = Model.open(System.getProperty("aotc.test.toy"));
            return new Opened(model, model.newState());
        }
    }

    private final AtomicReference<Opened> opened = new AtomicReference<>(Opened.anew());
    private final Pool pool = new Pool(2);
    private final AtomicReferenceArray<Session> sessions = new AtomicReferenceArray<>(SESSIONS);

    private Session newSession(Random random) {
        Opened now = opened.get();
        Method method = now.model.method(METHODS[random.nextInt(METHODS.length)]);
        return switch (random.nextInt(4)) {
            case 0 -> method.session(random.nextInt(9) == 0 ? opened.get().state : now.state, null);
            case 1 -> method.session(pool);
            default -> method.session();
        };
    }

    private static Object array(Random random) {
        int n = random.nextInt(300);
        return switch (random.nextInt(9)) {
            case 0 -> new double[n];
            case 1 -> new long[n];
            case 2 -> new int[n];
            case 3 -> new short[n];
            case 4 -> new byte[n];
            case 5 -> new boolean[n];
            case 6 -> null;
            default -> new float[n / 4 * 4];
        };
    }

    private static Buffer buffer(Random random) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(random.nextInt(2000)).order(ByteOrder.nativeOrder());
        return switch (random.nextInt(9)) {
            case 0 -> null;
            case 1 -> ByteBuffer.allocate(64);
            case 2 -> bytes.asReadOnlyBuffer();
            case 3 -> bytes.order(ByteOrder.BIG_ENDIAN).asFloatBuffer();
            case 4 -> bytes.asLongBuffer();
            case 5 -> bytes.asCharBuffer();
            case 6 -> bytes;
            default -> bytes.asFloatBuffer().position(bytes.capacity() / 8);
        };
    }

    private static long[] shape(Random random) {
        long[] odd = {0, 1, 2, 4, 64, 65, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 31, 1L << 40};
        return switch (random.nextInt(4)) {
            case 0 -> null;
            case 1 -> new long[] {random.nextInt(70), 4};
            case 2 -> new long[] {random.nextInt(300)};
            default -> random.longs(random.nextInt(4), 0, odd.length).map(i -> odd[(int) i]).toArray();
        };
    }

    /** Of models and states: others go on with what is closed here. */
    private void wrongModel(Random random) {
        Opened now = opened.get();
        switch (random.nextInt(8)) {
            case 0 -> {
                opened.set(Opened.anew());
                now.model.close(); // a second time, if another thread was here
            }
            case 1 -> Model.open((String) null);
            case 2 -> Model.open(new byte[random.nextInt(200)]);
            case 3 -> now.model.method(null);
            case 4 -> now.state.restore(null);
            case 5 -> now.state.restore(new byte[random.nextInt(2 * now.state.size())]);
            case 6 -> now.state.restore(now.state.save());
            default -> new Pool(-random.nextInt(3));
        }
    }

    private void call(Random random) {
        int slot = random.nextInt(SESSIONS);
        Session session = sessions.get(slot);
        if (session == null || random.nextInt(50) == 0) {
            Session made = newSession(random);
            sessions.set(slot, made); // the old one goes on in other threads, then to the collector
            if (session != null)
                session.close();
            return;
        }
        if (random.nextInt(100) == 0) {
            wrongModel(random);
            return;
        }
        Tensor in = session.input(random.nextInt(12) == 0 ? random.nextInt() : 0);
        Tensor out = session.output(random.nextInt(6) == 0 ? 1 : 0);
        Tensor any = random.nextBoolean() ? in : out;
        switch (random.nextInt(14)) {
            case 0 -> in.setObject(array(random), shape(random));
            case 1 -> any.set(random.nextInt(9) == 0 ? null : new float[random.nextInt(65) * 4]);
            case 2 -> any.set(new float[8], shape(random));
            case 3 -> any.resize(shape(random));
            case 4 -> any.bind(buffer(random));
            case 5 -> any.bind(buffer(random), shape(random));
            case 6 -> any.unbind();
            case 7 -> any.getObject(new float[random.nextInt(20)]);
            case 8 -> any.toArray();
            case 9 -> any.floats().put(0, 1f);
            case 10 -> any.longs();
            case 11 -> session.reset();
            case 12 -> session.input(random.nextBoolean() ? "x" : null);
            default -> session.run();
        }
    }

    private Map<Status, Integer> work(int seed) {
        Map<Status, Integer> seen = new EnumMap<>(Status.class);
        Random random = new Random(seed);
        for (int i = 0; i < CALLS; i++)
            try {
                call(random);
            } catch (AotException e) {
                assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
                seen.merge(e.status(), 1, Integer::sum);
            } catch (IndexOutOfBoundsException | java.nio.ReadOnlyBufferException e) {
                continue; // floats().put(0, 1f) where there is no element
            }
        return seen;
    }

    @Test
    void hundredThousandWrongCalls() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        List<Future<Map<Status, Integer>>> done = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            int seed = i;
            done.add(threads.submit(() -> work(seed)));
        }
        Map<Status, Integer> seen = new EnumMap<>(Status.class);
        for (Future<Map<Status, Integer>> one : done)
            one.get().forEach((status, n) -> seen.merge(status, n, Integer::sum));
        threads.shutdown();
        System.out.println("refused: " + seen);
        for (Status status : new Status[] {Status.ARGUMENT, Status.DTYPE, Status.SHAPE, Status.LAYOUT, Status.SPACE,
                                           Status.CLOSED, Status.BUSY})
            assertTrue(seen.containsKey(status), "no call was refused as " + status);
        // and the model still works
        try (Session session = opened.get().model.session()) {
            session.input(0).set(new float[] {1, 2, 3, 4});
            session.run();
            assertEquals(24, session.output(1).toFloats()[0]);
        }
    }
}
