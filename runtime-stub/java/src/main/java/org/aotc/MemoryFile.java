// SPDX-License-Identifier: MIT
package org.aotc;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A file without a disk (memfd_create), for loaders that want a path. */
final class MemoryFile implements AutoCloseable {
    private static final int CLOSE_ON_EXEC = 1;

    static {
        Native.register(MemoryFile.class, Platform.C_LIBRARY_NAME);
    }

    private static native int memfd_create(String name, int flags) throws LastErrorException;
    private static native int close(int descriptor);

    private final int descriptor;

    private MemoryFile(String name) throws IOException {
        try {
            descriptor = memfd_create(name, CLOSE_ON_EXEC);
        } catch (LastErrorException e) {
            throw new IOException("memfd_create: error " + e.getErrorCode());
        }
    }

    String path() {
        return "/proc/self/fd/" + descriptor;
    }

    static MemoryFile of(String name, InputStream in) throws IOException {
        MemoryFile file = new MemoryFile(name);
        try (FileOutputStream out = new FileOutputStream(file.path())) {
            in.transferTo(out);
            return file;
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    static MemoryFile of(String name, ByteBuffer bytes) throws IOException {
        MemoryFile file = new MemoryFile(name);
        try (FileOutputStream out = new FileOutputStream(file.path()); FileChannel channel = out.getChannel()) {
            for (ByteBuffer rest = bytes.duplicate(); rest.hasRemaining();)
                channel.write(rest);
            return file;
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    @Override
    public void close() {
        close(descriptor);
    }
}
