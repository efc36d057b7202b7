// SPDX-License-Identifier: MIT
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A compiled model through libaotrt and JNA. One object is one session: it serves one thread at a
 * time, and any number of objects may be open on the same file.
 *
 * <pre>
 *     try (AotModel model = new AotModel("model.so", null, 1)) {
 *         ByteBuffer x = AotModel.allocate(4 * 3 * 224 * 224);
 *         model.setInput(0, x, 1, 3, 224, 224);     // keeps the buffer; fill it before every run
 *         model.run();                              // the one native call of an inference
 *         float first = model.output(0).getFloat(0);
 *     }
 * </pre>
 *
 * Direct mapping with addresses as long: a run costs some 100 ns more than in C and makes no
 * garbage.
 * libaotrt.so is $AOTRT_LIBRARY, or found by JNA (-Djna.library.path=...).
 */
public final class AotModel implements AutoCloseable {
    /** A failure, in the model's own words. */
    public static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1;
        public final int status;

        Failure(int status, String text) {
            super(text);
            this.status = status;
        }
    }

    /** The flat functions of aot.h. Direct mapping: pointers that come and go often are long. */
    static final class Lib {
        static {
            String library = System.getenv("AOTRT_LIBRARY");
            Native.register(Lib.class, library == null ? "aotrt" : library);
        }

        static native int aot_open(String path, String isa, long[] file, byte[] text, long bytes);
        static native void aot_close(long file);
        static native int aot_session_new(long file, String method, long threads, long[] session);
        static native void aot_session_free(long session);
        static native String aot_session_error(long session);
        static native long aot_input_count(long session);
        static native long aot_output_count(long session);
        static native String aot_input_name(long session, long index);
        static native String aot_output_name(long session, long index);
        static native int aot_input_dtype(long session, long index);
        static native int aot_output_dtype(long session, long index);
        static native int aot_set_input(long session, long index, long data, long[] shape,
                                        int ndim);
        static native int aot_run(long session);
        static native long aot_output_data(long session, long index);
        static native Pointer aot_output_shape(long session, long index);
        static native int aot_output_ndim(long session, long index);
        static native long aot_output_bytes(long session, long index);
        static native long aot_state_size(long session);
        static native Pointer aot_state(long session);
        static native void aot_state_reset(long session);
    }

    /** element types as 256 * code + bits */
    public static final int FLOAT32 = 0x220, FLOAT64 = 0x240, INT64 = 0x040, INT32 = 0x020;

    private long session;
    private final ByteBuffer[] inputs;              // reachable as long as the model may read them
    private final ByteBuffer[] outputs;             // views of native memory, made when it moves
    private final long[] outputAt, outputBytes;

    /** @param method null for the default, usually "forward"
     *  @param threads 1 for serial, which is the default elsewhere; more share the work of a run */
    public AotModel(String path, String method, int threads) {
        byte[] text = new byte[1024];
        long[] made = new long[1];
        int status = Lib.aot_open(path, null, made, text, text.length);
        if (status != 0)
            throw new Failure(status, Native.toString(text, "UTF-8"));
        long file = made[0];
        status = Lib.aot_session_new(file, method, threads, made);
        Lib.aot_close(file);                        // the session keeps the file open
        if (status != 0)
            throw new Failure(status, Lib.aot_session_error(0));
        session = made[0];
        inputs = new ByteBuffer[inputCount()];
        outputs = new ByteBuffer[outputCount()];
        outputAt = new long[outputs.length];
        outputBytes = new long[outputs.length];
    }

    /** Memory that native code may use: direct, in native byte order, aligned to 64 bytes. */
    public static ByteBuffer allocate(int bytes) {
        ByteBuffer raw = ByteBuffer.allocateDirect(bytes + 64);
        int start = (int) (-address(raw) & 63);
        return raw.position(start).limit(start + bytes).slice().order(ByteOrder.nativeOrder());
    }

    private static long address(ByteBuffer buffer) {
        return Pointer.nativeValue(Native.getDirectBufferPointer(buffer));
    }

    public int inputCount() { return (int) Lib.aot_input_count(open()); }
    public int outputCount() { return (int) Lib.aot_output_count(open()); }
    public String inputName(int index) { return Lib.aot_input_name(open(), index); }
    public String outputName(int index) { return Lib.aot_output_name(open(), index); }
    public int inputType(int index) { return Lib.aot_input_dtype(open(), index); }
    public int outputType(int index) { return Lib.aot_output_dtype(open(), index); }

    /** Row-major elements from the buffer's beginning. The buffer is kept and not copied: write new
     *  values into it and run again. Not for the hot path; once per buffer and shape is enough. */
    public void setInput(int index, ByteBuffer data, long... shape) {
        if (!data.isDirect())
            throw new IllegalArgumentException("input " + index + ": not a direct buffer");
        long needed = (inputType(index) & 255) / 8;
        for (long size : shape)
            needed = Math.multiplyExact(needed, size);
        if (needed > data.capacity())
            throw new IllegalArgumentException("input " + index + " (" + inputName(index) + "): "
                + needed + " bytes expected, the buffer has " + data.capacity());
        check(Lib.aot_set_input(session, index, address(data), shape, shape.length));
        inputs[index] = data;
    }

    /** One inference. */
    public void run() {
        int status = Lib.aot_run(open());
        if (status != 0)
            check(status);
    }

    /** An output of the last run, valid until the next one: read it with absolute gets. The same
     *  object comes back as long as neither place nor size has changed. */
    public ByteBuffer output(int index) {
        long at = Lib.aot_output_data(open(), index), bytes = Lib.aot_output_bytes(session, index);
        if (outputs[index] == null || at != outputAt[index] || bytes != outputBytes[index]) {
            outputs[index] = bytes == 0 ? ByteBuffer.allocateDirect(0)
                : new Pointer(at).getByteBuffer(0, bytes).order(ByteOrder.nativeOrder());
            outputAt[index] = at;
            outputBytes[index] = bytes;
        }
        return outputs[index];
    }

    public long[] outputShape(int index) {
        int rank = Lib.aot_output_ndim(open(), index);
        return rank == 0 ? new long[0] : Lib.aot_output_shape(session, index).getLongArray(0, rank);
    }

    /** What the model remembers between runs; null if nothing. */
    public ByteBuffer state() {
        long bytes = Lib.aot_state_size(open());
        return bytes == 0 ? null : Lib.aot_state(session).getByteBuffer(0, bytes);
    }

    public void resetState() { Lib.aot_state_reset(open()); }

    @Override
    public void close() {
        Lib.aot_session_free(session);
        session = 0;
    }

    private long open() {
        if (session == 0)
            throw new IllegalStateException("the model is closed");
        return session;
    }

    private void check(int status) {
        if (status != 0)
            throw new Failure(status, Lib.aot_session_error(session));
    }
}
