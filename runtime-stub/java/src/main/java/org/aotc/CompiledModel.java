// SPDX-License-Identifier: MIT
package org.aotc;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Array;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.aotc.AotException.Status;

/** What `aotc model.pt2 -o model.jar` derives a class from: opens the artifact in the class's jar, and has a
 *  typed method for each exported program.
 *
 *  Any number of threads may call at once: each call takes a session that is idle, or a new one. A model that
 *  remembers something (state) has one state: its calls run one after the other. */
public abstract class CompiledModel implements AutoCloseable {
    private final Model model;
    private final Pool pool;
    private final State state; // null: nothing is remembered
    private final List<Program> programs = new ArrayList<>();
    private volatile boolean closed;

    /** A method with its idle sessions and, in order, the sizes that its callers give. */
    private record Program(Method method, List<String> sizes, ConcurrentLinkedQueue<Session> idle) {}

    protected CompiledModel(Class<?> owner) {
        this(owner, null);
    }

    /** @param pool threads for the runs; null: the caller's thread alone */
    protected CompiledModel(Class<?> owner, Pool pool) {
        String resource = Aotrt.PLATFORM + "/" + owner.getSimpleName() + ".so";
        try (InputStream in = owner.getResourceAsStream(resource)) {
            if (in == null)
                throw new AotException(Status.HOST, owner.getName() + ": compiled for other platforms; there is no "
                    + resource + " beside it");
            model = Model.open(in, owner.getName());
        } catch (IOException e) {
            throw new AotException(Status.HOST, owner.getName() + ": cannot be read: " + e.getMessage());
        }
        this.pool = pool;
        state = model.stateBytes() > 0 ? model.newState() : null;
        for (Method method : model.methods())
            programs.add(new Program(method, sizes(method), new ConcurrentLinkedQueue<>()));
    }

    private static List<String> sizes(Method method) {
        List<String> found = new ArrayList<>();
        for (Port port : method.inputs())
            for (Port.Dim dim : port.dims())
                if (dim.symbol() != null && !found.contains(dim.symbol()))
                    found.add(dim.symbol());
        return found;
    }

    /** For sessions of one's own, which make no garbage. */
    public Model model() {
        return model;
    }

    /** Of the model's memory: back to the first values. */
    public void reset() {
        if (state == null)
            return;
        synchronized (state) {
            try (Session session = programs.get(0).method.session(state, null)) {
                session.reset();
            }
        }
    }

    @Override
    public void close() {
        model.close(); // refuses a second time
        closed = true;
        for (Program program : programs)
            drain(program);
    }

    private void drain(Program program) {
        for (Session s = program.idle.poll(); s != null; s = program.idle.poll())
            s.close();
    }

    /** Called by the generated methods.
     *
     *  @param inputs arrays, or objects of numbers, in the signature's order without None and fixed numbers
     *  @param sizes  the distinct sizes that vary, in the order in which inputs have them
     *  @return nested arrays, or objects of numbers */
    protected final Object[] call(int number, Object[] inputs, long[] sizes) {
        Program program = programs.get(number);
        if (state == null)
            return callHere(program, inputs, sizes);
        synchronized (state) {
            return callHere(program, inputs, sizes);
        }
    }

    private Object[] callHere(Program program, Object[] inputs, long[] sizes) {
        if (closed)
            throw new AotException(Status.CLOSED, model.name() + " is closed");
        Session session = program.idle.poll();
        if (session == null)
            session = program.method.session(state, pool);
        try {
            return callOn(session, program, inputs, sizes);
        } finally {
            program.idle.add(session);
            if (closed)
                drain(program);
        }
    }

    private static Object[] callOn(Session session, Program program, Object[] inputs, long[] sizes) {
        int at = 0;
        for (Tensor input : session.inputs())
            if (isGiven(input.port())) {
                Object value = inputs[at++];
                boolean isNumber = value instanceof Number || value instanceof Boolean;
                input.setObject(isNumber ? one(value) : value, shape(input.port(), program.sizes, sizes));
            }
        session.run();
        at = 0;
        for (Tensor input : session.inputs())
            if (isGiven(input.port())) {
                Object value = inputs[at++];
                if (input.port().isMutated() && value.getClass().isArray())
                    input.getObject(value);
            }
        List<Object> results = new ArrayList<>();
        for (Tensor output : session.outputs())
            if (!output.port().isNone())
                results.add(output.rank() == 0 && output.type().parts() == 1 ? Array.get(output.toArray(), 0)
                            : output.toArray());
        return results.toArray();
    }

    private static boolean isGiven(Port port) {
        return !port.isNone() && !port.isConstant();
    }

    /** A number as an array of one. */
    private static Object one(Object number) {
        Object made = number instanceof Float ? new float[1] : number instanceof Double ? new double[1]
            : number instanceof Long ? new long[1] : number instanceof Integer ? new int[1]
            : number instanceof Short ? new short[1] : number instanceof Byte ? new byte[1] : new boolean[1];
        Array.set(made, 0, number);
        return made;
    }

    private static long[] shape(Port port, List<String> symbols, long[] sizes) {
        long[] shape = new long[port.rank()];
        for (int i = 0; i < shape.length; i++) {
            Port.Dim dim = port.dims().get(i);
            shape[i] = dim.symbol() == null ? dim.lo() : sizes[symbols.indexOf(dim.symbol())];
        }
        return shape;
    }
}
