// SPDX-License-Identifier: MIT
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.aotc.AotException;
import org.aotc.Model;
import org.aotc.Session;
import org.junit.jupiter.api.Test;

/** The model as the store gave it: what PyTorch recorded comes out, what does not fit is refused.
 *  -Dmodel=stored.so, -Dkey=the public key that it is signed by, -Drecorded=the folder of the recorded calls. */
class PricesTest {
    private static final Path RECORDED = Path.of(System.getProperty("recorded"));

    /** The elements of a little-endian .npy file, behind its header. */
    private static ByteBuffer elements(String name) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(RECORDED.resolve(name + ".npy")));
        int start = 10 + file.order(ByteOrder.LITTLE_ENDIAN).getShort(8);
        return file.slice(start, file.limit() - start).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static float[] floats(String name) throws IOException {
        ByteBuffer from = elements(name);
        float[] to = new float[from.remaining() / Float.BYTES];
        from.asFloatBuffer().get(to);
        return to;
    }

    private static long[] longs(String name) throws IOException {
        ByteBuffer from = elements(name);
        long[] to = new long[from.remaining() / Long.BYTES];
        from.asLongBuffer().get(to);
        return to;
    }

    private static Model open() {
        return Model.open(Path.of(System.getProperty("model")), Model.publicKey(Path.of(System.getProperty("key"))));
    }

    @Test
    void isWhatWasStored() {
        try (Model model = open()) {
            assertEquals("prices", model.name());
            assertTrue(model.metadata().contains("\"median_relative_error\""), model.metadata());
        }
    }

    @Test
    void sameAsPyTorch() throws IOException {
        try (Model model = open(); Session session = model.session()) {
            for (String name : new String[] {"one", "many"}) {
                session.input("numbers").set(floats(name + "_in_0"));
                session.input("brand").set(longs(name + "_in_1"));
                session.run();
                assertArrayEquals(floats(name + "_out_0"), session.output(0).toFloats(), 1e-4f);
            }
        }
    }

    @Test
    void unknownBrandIsRefused() {
        try (Model model = open(); Session session = model.session()) {
            session.input("numbers").set(new float[6]);
            session.input("brand").set(new long[] {12});
            assertEquals(AotException.Status.DATA, assertThrows(AotException.class, session::run).status());
        }
    }
}
