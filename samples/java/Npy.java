// SPDX-License-Identifier: MIT
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A float32 array from a NumPy file, row-major and little-endian, in memory the model may use. */
record Npy(long[] shape, ByteBuffer data) {
    private static final Pattern SHAPE = Pattern.compile("'shape': *\\(([0-9, ]*)\\)");

    static Npy read(String file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(Path.of(file)))
            .order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.capacity() < 12 || bytes.getInt(0) != 0x4d554e93)
            throw new IOException(file + ": not a .npy file");
        boolean old = bytes.get(6) == 1;
        int start = old ? 10 : 12, length = old ? bytes.getShort(8) & 0xffff : bytes.getInt(8);
        String header = new String(bytes.array(), start, length, StandardCharsets.ISO_8859_1);
        Matcher shape = SHAPE.matcher(header);
        if (!header.contains("'<f4'") || !header.contains("'fortran_order': False")
            || !shape.find())
            throw new IOException(file + ": expected row-major float32, found " + header.trim());
        long[] sizes = Arrays.stream(shape.group(1).split(",")).map(String::trim)
            .filter(s -> !s.isEmpty()).mapToLong(Long::parseLong).toArray();
        int count = Math.toIntExact(Arrays.stream(sizes).reduce(1, Math::multiplyExact));
        ByteBuffer data = AotModel.allocate(4 * count);
        data.put(0, bytes, start + length, 4 * count);
        return new Npy(sizes, data);
    }

    int count() { return data.capacity() / 4; }
}
