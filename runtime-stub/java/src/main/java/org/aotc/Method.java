// SPDX-License-Identifier: MIT
package org.aotc;

import com.sun.jna.Pointer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.aotc.AotException.Status;

/** One exported program of a model: its signature, and where sessions come from. */
public final class Method {
    final Model model;
    private final String name;
    private final List<Port> inputs, outputs;
    /** A size that has no bound before the run is possible. */
    final boolean grows;

    final Structure structure;

    /** @param signatures the methods of the metadata */
    Method(Model model, Pointer at, List<?> signatures) {
        this.model = model;
        name = at.getPointer(8).getString(0, "UTF-8");
        inputs = ports(true, at.getPointer(32), at.getLong(16));
        outputs = ports(false, at.getPointer(40), at.getLong(24));
        grows = at.getLong(64) != 0;
        Map<?, ?> mine = Map.of();
        for (Object one : signatures)
            if (one instanceof Map<?, ?> map && name.equals(map.get("name")))
                mine = map;
        structure = new Structure(mine, inputs, outputs);
    }

    private static List<Port> ports(boolean input, Pointer at, long count) {
        List<Port> found = new ArrayList<>();
        for (int i = 0; i < count; i++)
            found.add(new Port(input, i, at.getPointer(8L * i)));
        return List.copyOf(found);
    }

    public String name() { return name; }
    public List<Port> inputs() { return inputs; }
    public List<Port> outputs() { return outputs; }

    /** A session that runs on its caller's thread alone, with a state of its own. */
    public Session session() {
        return new Session(this, 1, null, null);
    }

    /** With threads of its own: as many as asked for, and no more than the container allows. */
    public Session session(int threads) {
        if (threads < 1)
            throw new AotException(Status.ARGUMENT, threads + " threads; expected 1 at least");
        return new Session(this, threads, null, null);
    }

    /** With threads that sessions share. */
    public Session session(Pool pool) {
        return new Session(this, 1, pool, null);
    }

    /** With a state that sessions share: that of {@link Model#newState}.
     *
     *  @param pool null: the caller's thread alone */
    public Session session(State state, Pool pool) {
        if (state != null && state.model != model)
            throw new AotException(Status.ARGUMENT, "the state is another model's");
        return new Session(this, 1, pool, state);
    }

    /** "forward(x float32[1, 784]) -> output float32[1, 10]" */
    @Override
    public String toString() {
        return name + inputs.stream().map(Port::toString).collect(Collectors.joining(", ", "(", ") -> "))
            + outputs.stream().map(Port::toString).collect(Collectors.joining(", "));
    }
}
