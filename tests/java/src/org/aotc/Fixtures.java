// SPDX-License-Identifier: MIT
package org.aotc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Artifacts that the build made of committed archives, their recorded inputs and outputs. */
final class Fixtures {
    private Fixtures() {}

    static final Path ARTIFACTS = Path.of(System.getProperty("aotc.test.artifacts"));
    private static final Path ARCHIVES = Path.of(System.getProperty("aotc.test.fixtures"));

    static Path artifact(String name) {
        return ARTIFACTS.resolve(name + ".so");
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> manifest(String folder) throws IOException {
        return (Map<String, Object>) Json.parse(Files.readString(ARCHIVES.resolve(folder).resolve("manifest.json")));
    }

    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> list(Map<String, Object> in, String key) {
        return (List<Map<String, Object>>) in.getOrDefault(key, List.of());
    }

    /** Fills the inputs of one recorded case, runs, compares the outputs. */
    static void check(Session session, String folder, Map<String, Object> manifest, Map<String, Object> one)
        throws IOException {
        fill(session, folder, one);
        session.run();
        compare(session, folder, manifest, one);
    }

    static void fill(Session session, String folder, Map<String, Object> one) throws IOException {
        int at = 0;
        for (Tensor input : session.inputs()) {
            Map<String, Object> given = list(one, "inputs").get(at++);
            if (given.containsKey("file"))
                input.setObject(array(folder, given, input.type()), shape(given));
        }
    }

    static void compare(Session session, String folder, Map<String, Object> manifest, Map<String, Object> one)
        throws IOException {
        double rtol = (Double) manifest.get("rtol"), atol = (Double) manifest.get("atol");
        int at = 0;
        for (Tensor output : session.outputs()) {
            Map<String, Object> wanted = list(one, "outputs").get(at++);
            if (!wanted.containsKey("file")) // a number or None
                continue;
            assertArrayEquals(shape(wanted), output.shape(), output.toString());
            double[] expected = doubles(array(folder, wanted, output.type()), output.type());
            double[] found = doubles(values(output), output.type());
            for (int i = 0; i < expected.length; i++)
                assertTrue(Double.compare(found[i], expected[i]) == 0
                           || Math.abs(found[i] - expected[i]) <= atol + rtol * Math.abs(expected[i]),
                           output + ", element " + i + ": " + found[i] + ", expected " + expected[i]);
        }
    }

    private static Object values(Tensor t) {
        Class<?> element = t.type().element;
        return element == float.class ? t.toFloats() : element == double.class ? t.toDoubles()
            : element == long.class ? t.toLongs() : element == int.class ? t.toInts()
            : element == short.class ? t.toShorts() : element == boolean.class ? t.toBooleans() : t.toBytes();
    }

    private static double[] doubles(Object array, DType type) {
        double[] found = new double[java.lang.reflect.Array.getLength(array)];
        for (int i = 0; i < found.length; i++)
            found[i] = array instanceof boolean[] b ? (b[i] ? 1 : 0) : array instanceof short[] s && type.isHalf()
                ? type.widen(s[i]) : java.lang.reflect.Array.getDouble(array, i);
        return found;
    }

    static long[] shape(Map<String, Object> port) {
        return ((List<?>) port.get("shape")).stream().mapToLong(n -> (Long) n).toArray();
    }

    /** The elements of an .npy file, row-major. */
    static Object array(String folder, Map<String, Object> port, DType type) throws IOException {
        byte[] all = Files.readAllBytes(ARCHIVES.resolve(folder).resolve((String) port.get("file")));
        ByteBuffer bytes = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
        int start = 10 + (bytes.getShort(8) & 0xffff);
        String header = new String(all, 10, start - 10, StandardCharsets.ISO_8859_1);
        Matcher order = Pattern.compile("'fortran_order': (\\w+)").matcher(header);
        assertTrue(all[6] == 1 && order.find() && order.group(1).equals("False"), header);
        int count = (int) Arrays.stream(shape(port)).reduce(1, (a, b) -> a * b) * type.parts();
        Object found = java.lang.reflect.Array.newInstance(type.element, count);
        ByteBuffer rest = bytes.slice(start, all.length - start).order(ByteOrder.nativeOrder());
        Elements.get(Elements.typed(rest, type), 0, type, found);
        return found;
    }
}
