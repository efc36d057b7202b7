// SPDX-License-Identifier: MIT
package org.aotc;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import org.aotc.AotException.Status;

/** What a model remembers between runs (key/value caches, mutated buffers, random numbers). A session has
 *  its own, unless it is made with one: sessions of several methods of a model may share it. */
public final class State {
    private static final VarHandle BUSY;

    static {
        try {
            BUSY = MethodHandles.lookup().findVarHandle(State.class, "busy", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    final Model model;
    final ByteBuffer memory;
    final long address;
    boolean isNew = true; // until the first session has written the first values
    private volatile int busy;

    State(Model model, int bytes) {
        this.model = model;
        memory = new Block(bytes).bytes;
        address = Aotrt.address(memory);
    }

    void enter() {
        if (!BUSY.compareAndSet(this, 0, 1))
            throw new AotException(Status.BUSY, "the state is in use by another session's run");
    }

    void leave() {
        BUSY.setRelease(this, 0);
    }

    public int size() {
        return (int) model.stateBytes();
    }

    /** A copy of all of it, for {@link #restore}. */
    public byte[] save() {
        if (isNew) // a session writes the first values
            model.methods().get(0).session(this, null).close();
        byte[] bytes = new byte[size()];
        enter();
        memory.get(0, bytes);
        leave();
        return bytes;
    }

    /** Puts back what {@link #save} gave, in this process or another that runs the same artifact. */
    public void restore(byte[] saved) {
        if (saved == null || saved.length != size())
            throw new AotException(Status.ARGUMENT, "the state has " + size() + " bytes; given: "
                + (saved == null ? "null" : saved.length));
        enter();
        memory.put(0, saved);
        isNew = false;
        leave();
    }
}
