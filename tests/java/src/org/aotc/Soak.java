// SPDX-License-Identifier: MIT
package org.aotc;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

/** Threads that run one model for a long time, in sessions that come and go; prints the resident memory.
 *
 *  <pre>java -Xmx64m -cp ... org.aotc.Soak MODEL.so THREADS SECONDS</pre>
 *
 *  Status 1: a result changed. Status 2: after the first quarter the memory still grew by more than 8 MB. */
final class Soak {
    private static final int RUNS_A_SESSION = 2000, SESSIONS_A_MODEL = 20;
    private static final double GROWTH_MB = 8;

    private Soak() {}

    private static double residentMegabytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith("VmRSS:"))
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
        throw new IOException("no VmRSS");
    }

    private static float[] input(Tensor x, int batch) {
        long[] shape = new long[x.rank()];
        for (int i = 0; i < shape.length; i++) {
            Port.Dim dim = x.port().dims().get(i);
            shape[i] = dim.isFixed() ? dim.lo() : Math.max(dim.lo(), Math.min(dim.hi(), batch));
        }
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++)
            values[i] = i % 13 / 13f;
        x.set(values, shape);
        return values;
    }

    private static long work(Model shared, Path path, int seed, long end) {
        long runs = 0;
        float[][] expected = new float[4][];
        for (int sessions = 0; System.nanoTime() < end; sessions++) {
            boolean own = sessions % SESSIONS_A_MODEL == SESSIONS_A_MODEL - 1;
            Model model = own ? Model.open(path) : shared;
            try (Session session = model.session()) {
                for (int i = 0; i < RUNS_A_SESSION && System.nanoTime() < end; i++) {
                    int batch = i / 500 % 4;
                    if (i % 500 == 0)
                        input(session.input(0), batch + 1);
                    session.run();
                    runs++;
                    if (i % 500 != 0)
                        continue;
                    float[] found = session.output(0).toFloats();
                    if (expected[batch] != null && !Arrays.equals(found, expected[batch]))
                        throw new IllegalStateException("thread " + seed + ": a result changed");
                    expected[batch] = found;
                }
            }
            if (own)
                model.close();
        }
        return runs;
    }

    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[0]);
        int count = Integer.parseInt(arguments[1]);
        long seconds = Long.parseLong(arguments[2]), begun = System.nanoTime(), end = begun + seconds * 1_000_000_000L;
        ExecutorService threads = Executors.newFixedThreadPool(count);
        List<Future<Long>> done = new ArrayList<>();
        AtomicLong runs = new AtomicLong();
        double most = 0, early = 0, last = 0;
        try (Model model = Model.open(path)) {
            for (int i = 0; i < count; i++) {
                int seed = i;
                Callable<Long> work = () -> work(model, path, seed, end);
                done.add(threads.submit(work));
            }
            long step = Math.max(1, seconds / 20);
            for (long at = step; at < seconds; at += step) {
                Thread.sleep(Math.max(0, (begun + at * 1_000_000_000L - System.nanoTime()) / 1_000_000));
                last = residentMegabytes();
                most = Math.max(most, last);
                if (at <= seconds / 4)
                    early = Math.max(early, last);
                System.out.printf("%5d s  resident %.1f MB%n", at, last);
            }
            for (Future<Long> one : done)
                runs.addAndGet(one.get());
        } catch (java.util.concurrent.ExecutionException e) {
            System.err.println(e.getCause());
            System.exit(1);
        } finally {
            threads.shutdown();
        }
        System.out.printf("%d threads, %d s: %d runs; resident %.1f MB at most in the first quarter, %.1f at most, "
                          + "%.1f at the end%n", count, seconds, runs.get(), early, most, last);
        System.exit(seconds >= 60 && most > early + GROWTH_MB ? 2 : 0);
    }
}
