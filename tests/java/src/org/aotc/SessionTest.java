// SPDX-License-Identifier: MIT
package org.aotc;

import static org.aotc.Fixtures.artifact;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import org.aotc.AotException.Status;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What a session promises, over the toy model (tests/runtime/toy_model.c). */
class SessionTest {
    private static Model toy() {
        return Model.open(System.getProperty("aotc.test.toy"));
    }

    private static AotException refused(Status status, Executable what, String... words) {
        AotException e = assertThrows(AotException.class, what);
        assertEquals(status, e.status(), e.getMessage());
        for (String word : words)
            assertTrue(e.getMessage().contains(word), e.getMessage() + ": no \"" + word + "\"");
        return e;
    }

    private static FloatBuffer direct(float... values) {
        FloatBuffer made = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.nativeOrder()).asFloatBuffer();
        return made.put(0, values);
    }

    @Test
    void opensFromEverywhere() throws IOException {
        byte[] bytes = Files.readAllBytes(artifact("add"));
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length + 8).put(4, bytes);
        buffer.position(4).limit(4 + bytes.length);
        for (Model model : List.of(Model.open(artifact("add")), Model.open(bytes), Model.open(bytes),
                                   Model.open(buffer), Model.open(new ByteArrayInputStream(bytes), "add"))) {
            try (Session session = model.session()) {
                assertEquals(2, session.inputs().size());
            }
            model.close();
        }
    }

    @Test
    void refusesWhatIsNoModel() throws IOException {
        refused(Status.HOST, () -> Model.open("/nowhere/model.so"), "/nowhere/model.so");
        refused(Status.DATA, () -> Model.open(new byte[] {1, 2, 3}), "model in memory", "not a shared object");
        byte[] whole = Files.readAllBytes(artifact("add"));
        refused(Status.DATA, () -> Model.open(java.util.Arrays.copyOf(whole, whole.length / 2)), "cut short");
        refused(Status.ARGUMENT, () -> Model.open((String) null));
        refused(Status.ARGUMENT, () -> Model.open((byte[]) null));
        refused(Status.ARGUMENT, () -> Model.open("a\0b"));
        refused(Status.CPU, () -> Model.open(artifact("add").toString(), "sparc"), "sparc");
    }

    @Test
    void namesWhatThereIs() {
        try (Model model = toy()) {
            refused(Status.ARGUMENT, () -> model.method("backward"), "backward", "forward", "accumulate");
            assertEquals("forward(x float32[batch in 1..64, 4]) -> y float32[batch in 1..64, 4], "
                         + "scores float32[batch in 1..64]", model.method("forward").toString());
            try (Session session = model.session()) {
                refused(Status.ARGUMENT, () -> session.input("z"), "\"z\"", "x");
                refused(Status.ARGUMENT, () -> session.output(2), "2");
            }
        }
    }

    @Test
    void nestedAsInPython() {
        try (Model model = Model.open(artifact("nested")); Session session = model.session()) {
            assertEquals(List.of("inp", "pair", "scale", "opt"), List.copyOf(session.arguments().keySet()));
            assertSame(session.input("inp_right_z"), session.input("inp.right.z"));
            assertSame(session.input(4), ((List<?>) session.arguments().get("pair")).get(1));
            assertSame(session.input(2), ((Map<?, ?>) session.arguments().get("inp")).get("left"));
            refused(Status.ARGUMENT, () -> session.input("inp.right"), "inp.right");
            refused(Status.ARGUMENT, () -> session.input("pair.2"), "pair.2");
            Map<?, ?> results = (Map<?, ?>) session.results();
            assertEquals(List.of("sum", "parts", "k", "none"), List.copyOf(results.keySet()));
            assertSame(session.output("parts.1.0"), ((List<?>) ((List<?>) results.get("parts")).get(1)).get(0));
        }
        try (Model model = toy(); Session session = model.session()) { // nothing is known of Python
            assertSame(session.input(0), session.arguments().get("x"));
            assertEquals(session.outputs(), session.results());
        }
    }

    @Test
    void sizesVary() {
        try (Model model = toy(); Session session = model.session()) {
            for (int batch : new int[] {1, 64, 3}) {
                float[] x = new float[4 * batch];
                x[4 * batch - 1] = 5;
                session.input("x").set(x);
                session.run();
                float[] y = session.output("y").toFloats();
                assertEquals(4 * batch, y.length);
                assertEquals(11, y[4 * batch - 1]);
                assertArrayEquals(new long[] {batch, 4}, session.output(0).shape());
                assertEquals(14, ((float[]) session.output(1).toArray())[batch - 1]);
                assertEquals(batch, ((float[][]) session.output(0).toArray()).length);
            }
        }
    }

    @Test
    void wrongTensorsAreNamed() {
        try (Model model = toy(); Session session = model.session()) {
            Tensor x = session.input("x");
            refused(Status.ARGUMENT, session::run, "x", "never set");
            refused(Status.SHAPE, () -> x.set(new float[4 * 65]), "input 0 (x)", "batch in 1..64", "260");
            refused(Status.SHAPE, () -> x.set(new float[5]), "input 0 (x)", "5");
            refused(Status.SHAPE, () -> x.set(new float[8], 2, 3), "input 0 (x)", "[2, 3]");
            refused(Status.SHAPE, () -> x.set(new float[8], 3, 4), "input 0 (x)", "8", "[3, 4]");
            refused(Status.SHAPE, () -> x.set(new float[8], 8), "input 0 (x)");
            refused(Status.SHAPE, () -> x.set(new float[0], 0, 4), "[0, 4]");
            refused(Status.SHAPE, () -> x.resize(-1, 4), "-1");
            refused(Status.DTYPE, () -> x.set(new double[8]), "input 0 (x)", "float32", "double[8]");
            refused(Status.DTYPE, () -> x.set(new long[8], 2, 4), "long[8]");
            refused(Status.ARGUMENT, () -> x.set((float[]) null), "input 0 (x)", "null");
            refused(Status.SHAPE, () -> x.bind(direct(1, 2, 3), 1, 4), "input 0 (x)", "12");
            refused(Status.ARGUMENT, () -> x.bind(FloatBuffer.allocate(4), 1, 4), "not direct");
            refused(Status.LAYOUT, () -> x.bind(ByteBuffer.allocateDirect(16).asFloatBuffer(), 1, 4), "byte order");
            refused(Status.DTYPE, () -> x.bind(ByteBuffer.allocateDirect(16).asIntBuffer(), 1, 4), "int");
            x.set(new float[] {1, 2, 3, 4});
            session.run();
            refused(Status.ARGUMENT, () -> session.output(0).set(new float[4]), "output 0 (y)");
            refused(Status.SHAPE, () -> session.output(0).get(new float[5]), "output 0 (y)", "5");
            refused(Status.DTYPE, () -> session.output(0).get(new double[4]), "double");
            refused(Status.DTYPE, () -> session.output(0).longs());
            assertArrayEquals(new float[] {3, 5, 7, 9}, session.output(0).toFloats());
        }
    }

    @Test
    void callersBuffers() {
        try (Model model = toy(); Session session = model.session()) {
            FloatBuffer x = direct(1, 2, 3, 4, 5, 6, 7, 8), y = direct(new float[16]), scores = direct(0, 0);
            session.output("y").bind(y.slice(4, 8));
            session.output("scores").bind(scores);
            session.input("x").bind(x, 2, 4);
            session.run();
            assertEquals(3, y.get(4));
            assertEquals(17, y.get(11));
            assertEquals(0, y.get(3) + y.get(12));
            assertEquals(56, scores.get(1));
            session.input("x").bind(x.position(4), 1, 4);
            session.run();
            assertEquals(56, scores.get(0));
            session.output("y").bind(y.slice(4, 4)); // the same address, less room
            session.input("x").bind(x.position(0), 2, 4);
            refused(Status.SPACE, session::run, "output 0 (y)", "32", "16");
            session.output("y").unbind();
            session.run();
            assertEquals(17, session.output("y").floats().get(7));
            session.input("x").bind(x.asReadOnlyBuffer(), 2, 4);
            session.run();
            refused(Status.ARGUMENT, () -> session.output("y").bind(y.asReadOnlyBuffer()), "read-only");
        }
    }

    @Test
    void viewsOutliveTheSession() {
        Model model = toy();
        Session session = model.session();
        session.input(0).set(new float[] {1, 2, 3, 4});
        model.close();
        session.run();
        FloatBuffer y = session.output(0).floats();
        assertSame(y, session.output(0).floats());
        session.close();
        assertEquals(9, y.get(3));
        refused(Status.CLOSED, session::run);
        refused(Status.CLOSED, session::close);
        refused(Status.CLOSED, session::reset);
        refused(Status.CLOSED, () -> session.input(0).set(new float[4]));
        refused(Status.CLOSED, () -> session.output(0).toFloats());
        refused(Status.CLOSED, model::close);
        refused(Status.CLOSED, model::session);
    }

    @Test
    void stateSurvives() {
        try (Model model = toy(); Session session = model.method("accumulate").session();
             Session other = model.method("accumulate").session()) {
            session.input(0).set(new float[] {1, 2, 3, 4});
            session.run();
            session.run();
            assertArrayEquals(new float[] {102, 104, 106, 108}, session.output(0).toFloats());
            session.input(0).set(new float[] {-1, 0, 0, 0});
            refused(Status.DATA, session::run);
            session.input(0).set(new float[] {1, 0, 0, 0});
            session.run();
            assertEquals(103, session.output(0).toFloats()[0]);
            other.input(0).set(new float[] {1, 0, 0, 0});
            other.run();
            assertEquals(101, other.output(0).toFloats()[0]);
            session.reset();
            session.run();
            assertEquals(101, session.output(0).toFloats()[0]);
        }
    }

    @Test
    void stateIsShared() {
        try (Model model = toy()) {
            State state = model.newState();
            Session a = model.method("accumulate").session(state, null);
            Session b = model.method("accumulate").session(state, null);
            a.input(0).set(new float[] {1, 1, 1, 1});
            b.input(0).set(new float[] {2, 2, 2, 2});
            a.run();
            a.close();
            b.run();
            assertEquals(103, b.output(0).toFloats()[0]);
            byte[] saved = state.save();
            b.run();
            state.restore(saved);
            b.run();
            assertEquals(105, b.output(0).toFloats()[0]);
            refused(Status.ARGUMENT, () -> state.restore(new byte[1]), "1");
            refused(Status.ARGUMENT, () -> state.restore(null), "null");
            byte[] first = model.newState().save();
            state.restore(first);
            b.run();
            assertEquals(102, b.output(0).toFloats()[0]);
            b.close();
        }
        try (Model add = Model.open(artifact("add"))) {
            refused(Status.ARGUMENT, add::newState, "remembers nothing");
        }
    }

    @Test
    void sizesThatTheDataDecide() {
        try (Model model = toy()) {
            for (String name : new String[] {"nonzero", "positives"})
                try (Session session = model.method(name).session()) {
                    for (int n : new int[] {0, 1, 64, 5, 40}) {
                        float[] x = new float[n];
                        for (int i = 0; i < n; i += 2)
                            x[i] = 1;
                        session.input(0).set(x, n);
                        session.run();
                        long[] found = session.output(0).toLongs();
                        assertEquals((n + 1) / 2, found.length);
                        for (int i = 0; i < found.length; i++)
                            assertEquals(2 * i, found[i]);
                    }
                }
            try (Session session = model.method("halves").session()) {
                session.input(0).set(new float[3]);
                refused(Status.SHAPE, session::run);
            }
        }
    }

    @Test
    void threadsAndPools() {
        try (Model model = toy(); Pool pool = new Pool(4)) {
            assertTrue(pool.threads() >= 1 && pool.threads() <= 4);
            for (Session session : List.of(model.method("forward").session(3), model.method("forward").session(pool),
                                           model.method("forward").session(pool))) {
                session.input(0).set(new float[256]);
                session.run();
                assertEquals(1, session.output(0).floats().get(255));
                session.close();
            }
        }
        Model model = toy();
        Pool pool = new Pool(2);
        Session session = model.method("forward").session(pool);
        pool.close();
        session.input(0).set(new float[4]);
        session.run();
        session.close();
        refused(Status.CLOSED, pool::close);
        refused(Status.CLOSED, () -> model.method("forward").session(pool));
        refused(Status.ARGUMENT, () -> new Pool(0));
        refused(Status.ARGUMENT, () -> model.method("forward").session(0));
        model.close();
    }

    @Test
    void halfFloats() {
        for (int bits = 0; bits < 65536; bits++)
            for (DType type : new DType[] {DType.FLOAT16, DType.BFLOAT16}) {
                float wide = type.widen((short) bits);
                assertEquals(Float.isNaN(wide), Float.isNaN(type.widen(type.narrow(wide))));
                if (!Float.isNaN(wide))
                    assertEquals((short) bits, type.narrow(wide));
            }
        assertEquals(0x3c00, DType.FLOAT16.narrow(1 + 0x1p-11f)); // ties to even
        assertEquals(0x3c02, DType.FLOAT16.narrow(1 + 3 * 0x1p-11f));
        assertEquals(0x7bff, DType.FLOAT16.narrow(65519));
        assertEquals(0x7c00, DType.FLOAT16.narrow(65520));
        assertEquals(0x0001, DType.FLOAT16.narrow(0x1.8p-25f));
        assertEquals(0x3f80, DType.BFLOAT16.narrow(1 + 0x1p-8f));
    }
}
