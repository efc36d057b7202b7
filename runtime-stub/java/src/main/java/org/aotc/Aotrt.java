// SPDX-License-Identifier: MIT
package org.aotc;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import org.aotc.AotException.Status;

/** The flat functions of aot.h by direct mapping. Handles and addresses are long: that costs some
 *  100 ns a call and makes no garbage. */
final class Aotrt {
    private Aotrt() {}

    /** libaotrt for this machine, as a resource. */
    static final String PLATFORM = Platform.RESOURCE_PREFIX;
    private static final String RESOURCE = "natives/" + PLATFORM + "/libaotrt.so";

    private static final AotException FAILURE;

    static {
        AotException failure = null;
        try {
            Native.register(Aotrt.class, library());
        } catch (AotException e) {
            failure = e;
        } catch (UnsatisfiedLinkError e) {
            failure = new AotException(Status.HOST, "libaotrt: " + e.getMessage());
        }
        FAILURE = failure;
    }

    /** Says what is wrong with libaotrt each time, not in the first class that needs it only. */
    static void need() {
        if (FAILURE != null)
            throw new AotException(FAILURE.status(), FAILURE.getMessage());
    }

    static native int aot_open(byte[] path, byte[] isa, long[] file, byte[] text, long bytes);
    static native int aot_open_signed(byte[] path, byte[] isa, byte[] key, long[] file, byte[] text, long bytes);
    static native long aot_file_model(long file);
    static native void aot_close(long file);
    static native int aot_session_new(long file, byte[] method, long threads, long[] session);
    static native void aot_session_free(long session);
    static native long aot_session_call(long session);
    static native Pointer aot_session_error(long session);
    static native int aot_set_output(long session, long index, long data, long bytes);
    static native int aot_run(long session);
    static native void aot_set_state(long session, long state);
    static native void aot_state_reset(long session);
    static native long aot_pool_new(long threads);
    static native long aot_pool_threads(long pool);
    static native void aot_pool_free(long pool);
    static native void aot_session_use_pool(long session, long pool);

    /** -Daotc.library=PATH, else $AOTRT_LIBRARY, else the resource of this jar or of a model's jar. The
     *  resource is opened from memory; nothing is written to a disk. */
    private static NativeLibrary library() {
        String path = System.getProperty("aotc.library", System.getenv("AOTRT_LIBRARY"));
        if (path != null)
            return NativeLibrary.getInstance(path);
        try (InputStream in = Aotrt.class.getResourceAsStream(RESOURCE)) {
            if (in == null)
                throw new AotException(Status.HOST, "no libaotrt.so for " + PLATFORM + " on the class path (" + RESOURCE
                    + "); name one with -Daotc.library=PATH");
            // stays open: the loader knows libraries by name, and the next file would get this one's number
            return NativeLibrary.getInstance(MemoryFile.of("libaotrt", in).path(), Map.of());
        } catch (IOException e) {
            throw new AotException(Status.HOST, "libaotrt.so cannot be read: " + e.getMessage());
        }
    }

    static byte[] text(String string) {
        return string == null ? null : Native.toByteArray(string, "UTF-8");
    }

    /** Of the buffer's first byte, whatever its position. */
    static long address(Buffer direct) {
        return Pointer.nativeValue(Native.getDirectBufferPointer(direct));
    }

    /** Native memory as a buffer. The caller sees to it that the memory is there. */
    static ByteBuffer view(long address, long bytes) {
        return bytes == 0 ? ByteBuffer.allocateDirect(0)
            : new Pointer(address).getByteBuffer(0, bytes).order(ByteOrder.nativeOrder());
    }
}
