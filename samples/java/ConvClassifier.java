// SPDX-License-Identifier: MIT
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Classifies one image with a compiled convolutional classifier and prints the best scores.
 *
 * <pre>java -cp jna.jar:classes ConvClassifier MODEL.so INPUT.npy [EXPECTED.npy]</pre>
 *
 * With EXPECTED.npy the scores are compared with it: exit status 1 if the largest difference is
 * more than 1e-4 of the largest expected score. Then the call is timed.
 */
public final class ConvClassifier {
    private static final double TOLERANCE = 1e-4;

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 2) {
            System.err.println("usage: ConvClassifier MODEL.so INPUT.npy [EXPECTED.npy]");
            System.exit(2);
        }
        Npy image = Npy.read(arguments[1]);
        boolean good = true;
        try (AotModel model = new AotModel(arguments[0], null, 1)) {
            model.setInput(0, image.data(), image.shape());
            model.run();
            print(model);
            if (arguments.length > 2)
                good = isClose(model, Npy.read(arguments[2]));
            time(model);
        } catch (AotModel.Failure failure) {
            System.err.println("ConvClassifier: " + failure.getMessage());
            System.exit(1);
        }
        System.exit(good ? 0 : 1);
    }

    /** The five best classes of the first image of the batch. */
    private static void print(AotModel model) {
        ByteBuffer scores = model.output(0);
        long[] shape = model.outputShape(0);
        int classes = (int) shape[shape.length - 1];
        System.out.println(model.outputName(0) + " " + Arrays.toString(shape));
        IntStream.range(0, classes).boxed()
            .sorted(Comparator.comparingDouble(k -> -scores.getFloat(4 * k))).limit(5)
            .forEach(k -> System.out.printf("class %4d  score %10.6f%n", k,
                                            scores.getFloat(4 * k)));
    }

    private static boolean isClose(AotModel model, Npy expected) {
        ByteBuffer scores = model.output(0);
        if (!Arrays.equals(model.outputShape(0), expected.shape())) {
            System.out.println("expected shape " + Arrays.toString(expected.shape()));
            return false;
        }
        double largest = 1e-30, difference = 0;
        for (int i = 0; i < expected.count(); i++) {
            double e = expected.data().getFloat(4 * i), d = Math.abs(scores.getFloat(4 * i) - e);
            largest = Math.max(largest, Math.abs(e));
            difference = Math.max(difference, Double.isNaN(d) ? Double.POSITIVE_INFINITY : d);
        }
        System.out.printf("largest relative difference %.3g%n", difference / largest);
        return difference / largest <= TOLERANCE;
    }

    /** The least time of a call, over half a second at most. */
    private static void time(AotModel model) {
        long best = Long.MAX_VALUE, end = System.nanoTime() + 500_000_000L;
        for (int i = 0; i < 1_000_000 && System.nanoTime() < end; i++) {
            long begun = System.nanoTime();
            model.run();
            best = Math.min(best, System.nanoTime() - begun);
        }
        System.out.printf("a call takes %.3f microseconds at best%n", best / 1e3);
    }
}
