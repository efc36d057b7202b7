// SPDX-License-Identifier: MIT
package org.aotc;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.aotc.AotException.Status;

/** One method with its tensors, workspace and state: fill the inputs, {@link #run}, read the outputs.
 *
 *  A session serves one thread at a time; another thread that uses it meanwhile gets an exception (BUSY)
 *  and does no harm. Sessions are cheap: have one per thread. Once its buffers have their sizes, a run is
 *  one native call and makes no garbage.
 *
 *  {@link #close} may be called at any time: a run that is under way is finished first, by its own thread,
 *  which then frees the session. Sessions that are lost are freed by the collector. */
public final class Session implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final int IDLE = 0, BUSY = 1, CLOSING = 2, CLOSED = 3;
    private static final int MOST_TRIES = 8;
    private static final VarHandle PHASE;

    static {
        try {
            PHASE = MethodHandles.lookup().findVarHandle(Session.class, "phase", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** What must be given back, once. */
    private record Holdings(long session, Pool pool) implements Runnable {
        @Override
        public void run() {
            Aotrt.aot_session_free(session);
            if (pool != null)
                pool.drop();
        }
    }

    private final Method method;
    private final State state;
    private final long handle;
    private final Cleaner.Cleanable holdings;
    private final List<Tensor> inputs = new ArrayList<>(), outputs = new ArrayList<>();
    private final Tensor[] arguments, results; // the same, without an iterator for each run
    private final ByteBuffer outputBytes;
    private volatile int phase;

    Session(Method method, int threads, Pool pool, State state) {
        this.method = method;
        this.state = state;
        long lent = pool == null ? 0 : pool.hold();
        try {
            handle = method.model.newSession(method, threads);
        } catch (RuntimeException e) {
            if (pool != null)
                pool.drop();
            throw e;
        }
        holdings = CLEANER.register(this, new Holdings(handle, pool));
        if (pool != null)
            Aotrt.aot_session_use_pool(handle, lent);
        ByteBuffer call = Aotrt.view(Aotrt.aot_session_call(handle), 104);
        for (Port port : method.inputs())
            inputs.add(new Tensor(this, port, call.getLong(8) + 48L * port.index()));
        for (Port port : method.outputs())
            outputs.add(new Tensor(this, port, call.getLong(16) + 48L * port.index()));
        outputBytes = Aotrt.view(call.getLong(24), 8L * outputs.size());
        arguments = inputs.toArray(new Tensor[0]);
        results = outputs.toArray(new Tensor[0]);
        if (state != null)
            useState();
    }

    private void useState() {
        state.enter();
        try {
            Aotrt.aot_set_state(handle, state.address);
            if (state.isNew)
                Aotrt.aot_state_reset(handle);
            state.isNew = false;
        } finally {
            state.leave();
        }
    }

    public Method method() { return method; }

    // ---- Ports

    public List<Tensor> inputs() { return List.copyOf(inputs); }
    public List<Tensor> outputs() { return List.copyOf(outputs); }
    public Tensor input(int index) { return at(inputs, index, "input"); }
    public Tensor output(int index) { return at(outputs, index, "output"); }
    /** @param name the port's ("inp_right_z"), or the place in {@link #arguments} ("inp.right.z")
     *  @throws AotException (ARGUMENT) names the inputs that there are */
    public Tensor input(String name) { return named(inputs, name, "input"); }
    /** @param name the port's, which is the place in {@link #results} ("parts.1.0") */
    public Tensor output(String name) { return named(outputs, name, "output"); }

    /** The inputs as Python nests them, by the names of the function's parameters: a Tensor, a List or a Map each. */
    public Map<String, Object> arguments() {
        return method.structure.arguments(inputs::get);
    }

    /** The outputs as Python nests them: a Tensor, a List or a Map. */
    public Object results() {
        return method.structure.result(outputs::get);
    }

    private Tensor at(List<Tensor> tensors, int index, String what) {
        if (index < 0 || index >= tensors.size())
            throw new AotException(Status.ARGUMENT, method.name() + " has no " + what + " " + index + "; it has "
                + tensors.size());
        return tensors.get(index);
    }

    private Tensor named(List<Tensor> tensors, String name, String what) {
        for (int i = 0; i < tensors.size(); i++)
            if (tensors.get(i).port().name().equals(name))
                return tensors.get(i);
        Tensor nested = name == null || tensors == outputs ? null : Structure.find(arguments(), name);
        if (nested != null)
            return nested;
        throw new AotException(Status.ARGUMENT, method.name() + " has no " + what + " \"" + name + "\"; it has: "
            + tensors.stream().map(t -> t.port().name()).collect(Collectors.joining(", ")));
    }

    // ---- One thread at a time

    /** Whoever touches native memory does so between enter and leave. */
    void enter() {
        if (!PHASE.compareAndSet(this, IDLE, BUSY))
            throw phase == BUSY
                ? new AotException(Status.BUSY, "the session is in use by another thread; have one per thread")
                : closed();
    }

    void leave() {
        if (!PHASE.compareAndSet(this, BUSY, IDLE)) {
            PHASE.setVolatile(this, CLOSED); // it was closed meanwhile
            free();
        }
        Reference.reachabilityFence(this);
    }

    /** By the one thread that closed it, when no other is inside. */
    private void free() {
        holdings.clean();
        for (Tensor input : arguments)
            input.free();
        for (Tensor output : results)
            output.free();
    }

    private AotException closed() {
        return new AotException(Status.CLOSED, "the session of " + method.name() + " is closed");
    }

    @Override
    public void close() {
        for (;;) {
            int now = phase;
            if (now >= CLOSING)
                throw closed();
            if (now == BUSY && PHASE.compareAndSet(this, BUSY, CLOSING))
                return;
            if (now == IDLE && PHASE.compareAndSet(this, IDLE, CLOSED)) {
                free();
                return;
            }
        }
    }

    // ---- Run

    /** One inference.
     *
     *  @throws AotException what the model refuses, in its own words; after that its state and its inputs
     *                       are as they were */
    public void run() {
        enter();
        try {
            if (state != null)
                runOnState();
            else
                runHere();
        } finally {
            leave();
        }
    }

    private void runOnState() {
        state.enter();
        try {
            runHere();
        } finally {
            state.leave();
        }
    }

    private void runHere() {
        for (int i = 0; i < arguments.length; i++)
            arguments[i].checkRoom();
        int status = Aotrt.aot_run(handle);
        for (int i = 1; status == Status.SPACE.code && i < MOST_TRIES && makeRoom(); i++)
            status = Aotrt.aot_run(handle);
        if (status != 0)
            throw new AotException(Status.of(status), Aotrt.aot_session_error(handle).getString(0, "UTF-8"));
        for (int i = 0; i < results.length; i++)
            results[i].take(method.grows);
    }

    /** Larger buffers for the outputs that need them. */
    private boolean makeRoom() {
        boolean larger = false;
        for (int i = 0; i < results.length; i++)
            larger |= results[i].fit(outputBytes.getLong(8 * i));
        return larger;
    }

    void lend(int output, long address, long bytes) {
        Aotrt.aot_set_output(handle, output, address, bytes);
    }

    /** What the model remembers goes back to its first values. */
    public void reset() {
        enter();
        try {
            if (state != null)
                state.enter();
            try {
                Aotrt.aot_state_reset(handle);
            } finally {
                if (state != null)
                    state.leave();
            }
        } finally {
            leave();
        }
    }
}
