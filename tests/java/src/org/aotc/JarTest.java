// SPDX-License-Identifier: MIT
package org.aotc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.reflect.Parameter;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.aotc.AotException.Status;
import org.aotc.models.ConvClassifierA;
import org.aotc.models.HybridModel;
import org.aotc.models.KvCache;
import org.aotc.models.Nested;
import org.aotc.models.Shapes;
import org.junit.jupiter.api.Test;

/** The classes that aotc writes into a jar, as javac and the verifier of the JVM see them. */
class JarTest {
    private static float[] floats(String folder, Map<String, Object> port) throws Exception {
        return (float[]) Fixtures.array(folder, port, DType.FLOAT32);
    }

    @Test
    void oneOutputIsNestedArrays() throws Exception {
        String folder = "seeds/conv_classifier_a";
        try (ConvClassifierA model = new ConvClassifierA()) {
            for (Map<String, Object> one : Fixtures.list(Fixtures.manifest(folder), "cases")) {
                Map<String, Object> in = Fixtures.list(one, "inputs").get(0);
                Map<String, Object> out = Fixtures.list(one, "outputs").get(0);
                float[][] scores = model.forward(floats(folder, in), (int) Fixtures.shape(in)[0]);
                float[] expected = floats(folder, out);
                assertEquals(Fixtures.shape(out)[0], scores.length);
                for (int i = 0; i < scores.length; i++)
                    assertArrayEquals(Arrays.copyOfRange(expected, i * scores[0].length, (i + 1) * scores[0].length),
                                      scores[i], 1e-4f);
            }
            AotException e = assertThrows(AotException.class, () -> model.forward(new float[5], 1));
            assertEquals(Status.SHAPE, e.status());
            assertThrows(AotException.class, () -> model.forward(null, 1));
        }
    }

    @Test
    void parametersHaveNames() throws Exception {
        java.lang.reflect.Method forward = Shapes.class.getMethod("forward", float[].class, float[].class, int.class,
                                                                  int.class, int.class);
        assertEquals(List.of("x", "y", "xDim0", "xDim1", "yDim1"),
                     Arrays.stream(forward.getParameters()).map(Parameter::getName).toList());
    }

    @Test
    void severalOutputsAreFields() throws Exception {
        String folder = "2.13.0/nested";
        Map<String, Object> first = Fixtures.list(Fixtures.manifest(folder), "cases").get(0);
        List<Map<String, Object>> in = Fixtures.list(first, "inputs"), out = Fixtures.list(first, "outputs");
        try (Nested model = new Nested(); Pool pool = new Pool(2); Nested other = new Nested(pool)) {
            for (Nested one : List.of(model, other)) {
                Nested.ForwardResult found = one.forward(floats(folder, in.get(0)), floats(folder, in.get(1)),
                                                         floats(folder, in.get(2)), floats(folder, in.get(3)),
                                                         (long[]) Fixtures.array(folder, in.get(4), DType.INT64),
                                                         floats(folder, in.get(5))[0]);
                assertEquals(7, found.k);
                assertArrayEquals(floats(folder, out.get(1)), found.parts_0, 1e-5f);
                assertArrayEquals(Arrays.copyOfRange(floats(folder, out.get(0)), 3, 6), found.sum[1], 1e-5f);
            }
        }
    }

    @Test
    void methodsAndThreads() {
        try (HybridModel model = new HybridModel()) {
            float[] image = new float[784];
            for (int i = 0; i < image.length; i++)
                image[i] = i % 7 / 7f;
            float[][] whole = model.forward(image, 1), parts = model.decode(model.encode(image, 1)[0], 1);
            assertArrayEquals(whole[0], parts[0], 1e-4f);
            IntStream.range(0, 200).parallel().forEach(i -> assertArrayEquals(whole, model.forward(image, 1)));
        }
    }

    @Test
    void methodsShareWhatTheObjectRemembers() throws Exception {
        String folder = "seeds/kv_cache";
        try (KvCache model = new KvCache(); KvCache other = new KvCache()) {
            for (int round = 0; round < 2; round++) {
                for (Map<String, Object> one : Fixtures.list(Fixtures.manifest(folder), "cases")) {
                    float[] x = floats(folder, Fixtures.list(one, "inputs").get(0));
                    float[] expected = floats(folder, Fixtures.list(one, "outputs").get(0));
                    float[][] found = one.get("model").equals("prefill") ? model.prefill(x, x.length / 8)
                        : model.forward(x);
                    assertArrayEquals(Arrays.copyOf(expected, 8), found[0], 1e-4f);
                    other.forward(new float[8]);
                }
                model.reset();
            }
            assertEquals(Status.DATA, assertThrows(AotException.class, () -> other.prefill(new float[64], 8)).status());
        }
    }

    /** A class as it would be generated, over the toy, which has a state. */
    private static final class Toy extends CompiledModel {
        Toy() {
            super(Toy.class);
        }

        float[] accumulate(float[] x) {
            return (float[]) call(1, new Object[] {x}, new long[0])[0];
        }
    }

    @Test
    void stateIsTheObjects() {
        Toy toy = new Toy();
        assertEquals(101, toy.accumulate(new float[] {1, 0, 0, 0})[0]);
        IntStream.range(0, 99).parallel().forEach(i -> toy.accumulate(new float[] {1, 0, 0, 0}));
        assertEquals(201, toy.accumulate(new float[] {1, 0, 0, 0})[0]);
        toy.reset();
        assertEquals(101, toy.accumulate(new float[] {1, 0, 0, 0})[0]);
        toy.close();
        assertEquals(Status.CLOSED, assertThrows(AotException.class, toy::close).status());
        assertEquals(Status.CLOSED, assertThrows(AotException.class, () -> toy.accumulate(new float[4])).status());
    }
}
