// SPDX-License-Identifier: MIT
package org.aotc;

import com.sun.jna.Pointer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.aotc.AotException.Status;

/** An open artifact. Any number of threads may make sessions of it; a session keeps what it needs open,
 *  so a model may be closed before its sessions.
 *
 *  <pre>{@code
 *  try (Model model = Model.open("model.so"); Session session = model.method("forward").session()) {
 *      session.input("x").set(pixels, 1, 3, 224, 224);
 *      session.run();
 *      float[] scores = session.output(0).toFloats();
 *  }
 *  }</pre> */
public final class Model implements AutoCloseable {
    private long file; // 0: closed; guarded by this
    private final String name, isa, metadata;
    private final long stateBytes;
    private final List<Method> methods;

    /** @param key 32 bytes; null: no signature is asked for */
    private Model(String path, String label, String isa, byte[] key) {
        Aotrt.need();
        byte[] text = new byte[1024];
        long[] made = new long[1];
        int status = key == null ? Aotrt.aot_open(Aotrt.text(path), Aotrt.text(isa), made, text, text.length)
            : Aotrt.aot_open_signed(Aotrt.text(path), Aotrt.text(isa), key, made, text, text.length);
        if (status != 0) {
            int n = 0;
            while (text[n] != 0)
                n++;
            throw new AotException(Status.of(status),
                                   new String(text, 0, n, StandardCharsets.UTF_8).replace(path, label));
        }
        file = made[0];
        try {
            Pointer table = new Pointer(Aotrt.aot_file_model(file));
            name = table.getPointer(16).getString(0, "UTF-8");
            this.isa = table.getPointer(24).getString(0, "UTF-8");
            metadata = table.getPointer(32).getString(0, "UTF-8");
            stateBytes = table.getLong(56);
            Object methodsOf = Json.parse(metadata) instanceof Map<?, ?> all ? all.get("methods") : null;
            List<?> signatures = methodsOf instanceof List<?> list ? list : List.of();
            List<Method> found = new ArrayList<>();
            for (Pointer method : table.getPointer(64).getPointerArray(0, (int) table.getLong(40)))
                found.add(new Method(this, method, signatures));
            methods = List.copyOf(found);
        } catch (RuntimeException e) {
            Aotrt.aot_close(file);
            throw e;
        }
    }

    /** Maps the file; processes that open the same file share its memory. */
    public static Model open(String path) {
        return open(path, null);
    }

    public static Model open(Path path) {
        return open(path.toString(), null);
    }

    /** @param isa an instruction set of those compiled in ("x86-64-v3"); null: the best this machine runs */
    public static Model open(String path, String isa) {
        return open(path, isa, null);
    }

    /** Opens a file only if PATH.sig is a signature of it by the owner of this key of Ed25519. The file is
     *  copied into memory first, and what was checked is what is opened.
     *
     *  @throws AotException (SIGNATURE) there is no signature, or not by this key; (HOST) libsodium is not installed */
    public static Model open(Path path, PublicKey publicKey) {
        if (publicKey == null)
            throw new AotException(Status.ARGUMENT, "Model.open: the key is null");
        byte[] der = publicKey.getEncoded();
        if (der == null || der.length != KEY_HEAD.length + KEY_BYTES
            || !Arrays.equals(der, 0, KEY_HEAD.length, KEY_HEAD, 0, KEY_HEAD.length))
            throw new AotException(Status.ARGUMENT, "Model.open: the key is none of Ed25519, but " + publicKey.getAlgorithm());
        return open(path.toString(), null, Arrays.copyOfRange(der, KEY_HEAD.length, der.length));
    }

    /** The public key in a PEM file, as `aotc keygen` writes it. */
    public static PublicKey publicKey(Path pem) {
        try {
            String text = Files.readString(pem).replaceAll("-----(BEGIN|END) PUBLIC KEY-----|\\s", "");
            return KeyFactory.getInstance("Ed25519").generatePublic(
                new X509EncodedKeySpec(Base64.getDecoder().decode(text)));
        } catch (IOException e) {
            throw unreadable(pem.toString(), e);
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new AotException(Status.ARGUMENT, pem + ": is no public key of Ed25519: " + e.getMessage());
        }
    }

    /** Precedes the 32 bytes of a key of Ed25519 in its encoding (RFC 8410). */
    private static final byte[] KEY_HEAD = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
    private static final int KEY_BYTES = 32;

    private static Model open(String path, String isa, byte[] key) {
        if (path == null)
            throw new AotException(Status.ARGUMENT, "Model.open: the path is null");
        if (path.indexOf(0) >= 0)
            throw new AotException(Status.ARGUMENT, "Model.open: the path has a NUL in it");
        return new Model(path, path, isa, key);
    }

    /** Opens an artifact in memory, without a file on any disk. The bytes are copied. */
    public static Model open(byte[] artifact) {
        if (artifact == null)
            throw new AotException(Status.ARGUMENT, "Model.open: the array is null");
        return open(new ByteArrayInputStream(artifact), "model in memory");
    }

    /** The same, from the buffer's position to its limit. */
    public static Model open(ByteBuffer artifact) {
        if (artifact == null)
            throw new AotException(Status.ARGUMENT, "Model.open: the buffer is null");
        try (MemoryFile copy = MemoryFile.of("model", artifact)) {
            return new Model(copy.path(), "model in memory", null, null);
        } catch (IOException e) {
            throw unreadable("model in memory", e);
        }
    }

    /** The same, from a stream to its end: what a resource of a jar is opened with. The bytes do not pass
     *  through the heap as a whole. The stream is not closed.
     *
     *  @param label what messages call it */
    public static Model open(InputStream artifact, String label) {
        if (artifact == null)
            throw new AotException(Status.ARGUMENT, "Model.open: there is no " + label);
        try (MemoryFile copy = MemoryFile.of("model", artifact)) {
            return new Model(copy.path(), label, null, null);
        } catch (IOException e) {
            throw unreadable(label, e);
        }
    }

    private static AotException unreadable(String label, IOException e) {
        return new AotException(Status.HOST, label + ": cannot be read: " + e.getMessage());
    }

    public String name() { return name; }
    /** The instruction set that runs: "x86-64-v4". */
    public String isa() { return isa; }
    /** JSON: what `aotc inspect --json` shows. */
    public String metadata() { return metadata; }
    /** What the model remembers between runs, in bytes; 0: nothing. */
    public long stateBytes() { return stateBytes; }
    public List<Method> methods() { return methods; }

    /** @throws AotException (ARGUMENT) names the methods that there are */
    public Method method(String name) {
        for (Method method : methods)
            if (method.name().equals(name))
                return method;
        throw new AotException(Status.ARGUMENT, this.name + " has no method \"" + name + "\"; it has: "
            + methods.stream().map(Method::name).collect(Collectors.joining(", ")));
    }

    /** A session of "forward", or of the only method. */
    public Session session() {
        return (methods.size() == 1 ? methods.get(0) : method("forward")).session();
    }

    /** A state to be shared by sessions of this model, one run at a time. */
    public State newState() {
        if (stateBytes == 0)
            throw new AotException(Status.ARGUMENT, name + " remembers nothing");
        if (stateBytes > Integer.MAX_VALUE - 64)
            throw new AotException(Status.SPACE, name + ": a state of " + stateBytes + " bytes cannot be shared");
        return new State(this, (int) stateBytes);
    }

    synchronized long newSession(Method method, long threads) {
        if (file == 0)
            throw new AotException(Status.CLOSED, "the model " + name + " is closed");
        long[] made = new long[1];
        int status = Aotrt.aot_session_new(file, Aotrt.text(method.name()), threads, made);
        if (status != 0)
            throw new AotException(Status.of(status), Aotrt.aot_session_error(0).getString(0, "UTF-8"));
        return made[0];
    }

    /** Sessions that are open go on. */
    @Override
    public synchronized void close() {
        if (file == 0)
            throw new AotException(Status.CLOSED, "the model " + name + " is closed already");
        Aotrt.aot_close(file);
        file = 0;
    }

    @Override
    public String toString() {
        return name + " " + Arrays.toString(methods.toArray());
    }
}
