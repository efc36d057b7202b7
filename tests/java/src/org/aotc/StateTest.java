// SPDX-License-Identifier: MIT
package org.aotc;

import static org.aotc.Fixtures.artifact;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.aotc.AotException.Status;
import org.junit.jupiter.api.Test;

/** A cache of keys and values, as PyTorch exported it: two methods that share what they remember. */
class StateTest {
    private static final String FOLDER = "seeds/kv_cache";
    private static final int WIDTH = 8, ROOM = 16;

    /** Sessions of both methods on one state. */
    private static final class Conversation implements AutoCloseable {
        final State state;
        final Map<String, Session> sessions = new HashMap<>();
        private final Map<String, Object> manifest = Fixtures.manifest(FOLDER);

        Conversation(Model model) throws IOException {
            state = model.newState();
            for (Method method : model.methods())
                sessions.put(method.name(), method.session(state, null));
        }

        int cases() {
            return Fixtures.list(manifest, "cases").size();
        }

        /** Recorded calls, whose outputs are right only on what the earlier ones left. */
        void run(int from, int to) throws IOException {
            for (Map<String, Object> one : Fixtures.list(manifest, "cases").subList(from, to))
                Fixtures.check(sessions.get((String) one.get("model")), FOLDER, manifest, one);
        }

        void reset() {
            sessions.get("forward").reset();
        }

        @Override
        public void close() {
            sessions.values().forEach(Session::close);
        }
    }

    private static Model model() {
        return Model.open(artifact("kv_cache"));
    }

    @Test
    void sameAsPyTorchAgainAfterReset() throws IOException {
        try (Model model = model(); Conversation one = new Conversation(model)) {
            for (int round = 0; round < 3; round++) {
                one.run(0, one.cases());
                one.reset();
            }
        }
    }

    @Test
    void statesAreIndependent() throws IOException {
        try (Model model = model(); Conversation a = new Conversation(model); Conversation b = new Conversation(model)) {
            for (int i = 0; i < a.cases(); i++) {
                a.run(i, i + 1);
                if (i > 0)
                    b.run(i - 1, i);
            }
            a.reset();
            b.run(b.cases() - 1, b.cases());
            a.run(0, 1);
        }
    }

    @Test
    void aThreadEach() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try (Model model = model()) {
            List<Future<Void>> done = new ArrayList<>();
            Callable<Void> work = () -> {
                try (Conversation own = new Conversation(model)) {
                    for (int i = 0; i < 50; i++) {
                        own.run(0, own.cases());
                        own.reset();
                    }
                }
                return null;
            };
            for (int i = 0; i < 8; i++)
                done.add(threads.submit(work));
            for (Future<Void> one : done)
                one.get();
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void savedAndTakenUpElsewhere() throws IOException {
        byte[] saved;
        try (Model model = model(); Conversation first = new Conversation(model)) {
            first.run(0, 2);
            saved = first.state.save();
        }
        try (Model model = model(); Conversation second = new Conversation(model)) {
            second.state.restore(saved);
            second.run(2, second.cases());
        }
    }

    @Test
    void aFailedRunLeavesItAsItWas() throws IOException {
        try (Model model = model(); Conversation one = new Conversation(model)) {
            one.run(0, 2);
            byte[] before = one.state.save();
            Session prefill = one.sessions.get("prefill");
            prefill.input(0).set(new float[ROOM * WIDTH], ROOM, WIDTH); // there is no room for so many more
            assertEquals(Status.DATA, assertThrows(AotException.class, prefill::run).status());
            assertArrayEquals(before, one.state.save());
            one.run(2, one.cases());
        }
    }

    @Test
    void aSessionAloneHasItsOwn() {
        try (Model model = model(); Session one = model.session(); Session other = model.session()) {
            float[] x = {1, -1, 2, 0, 0.5f, 3, 1, 1};
            one.input(0).set(x);
            one.run();
            float[] first = one.output(0).toFloats();
            one.input(0).set(new float[WIDTH]);
            one.run();
            other.input(0).set(x);
            other.run();
            assertArrayEquals(first, other.output(0).toFloats());
            one.reset();
            one.input(0).set(x);
            one.run();
            assertArrayEquals(first, one.output(0).toFloats());
        }
    }
}
