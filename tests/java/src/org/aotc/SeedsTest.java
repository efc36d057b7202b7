// SPDX-License-Identifier: MIT
package org.aotc;

import static org.aotc.Fixtures.artifact;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Committed archives give PyTorch's outputs. */
class SeedsTest {
    private static final String MODELS = """
        seeds/add, add
        seeds/add_broadcast, add_broadcast
        seeds/add_dynamic, add_dynamic
        seeds/conv_classifier_a, conv_classifier_a
        seeds/conv_classifier_b, conv_classifier_b
        seeds/hybrid_model, hybrid_model
        seeds/image_model, image_model
        seeds/model_with_control_flow, model_with_control_flow
        seeds/simple_model, simple_model
        2.13.0/encoder, encoder
        2.13.0/nested, nested
        2.13.0/shapes, shapes
        2.13.0/specials, specials
        2.13.0/tied_strided, tied_strided""";

    private static Session session(Map<String, Session> sessions, Model model, Map<String, Object> one) {
        String name = (String) one.getOrDefault("model", "forward");
        return sessions.computeIfAbsent(name, n -> model.method(n).session());
    }

    private static void runAll(Model model, String folder) throws IOException {
        Map<String, Object> manifest = Fixtures.manifest(folder);
        Map<String, Session> sessions = new HashMap<>();
        for (Map<String, Object> one : Fixtures.list(manifest, "cases"))
            Fixtures.check(session(sessions, model, one), folder, manifest, one);
        assertFalse(sessions.isEmpty());
        sessions.values().forEach(Session::close);
    }

    @ParameterizedTest
    @CsvSource(textBlock = MODELS)
    void sameAsPyTorch(String folder, String name) throws IOException {
        try (Model model = Model.open(artifact(name))) {
            runAll(model, folder);
        }
    }

    @ParameterizedTest
    @CsvSource(textBlock = MODELS)
    void wrongSizesNameTheInput(String folder, String name) throws IOException {
        Map<String, Object> manifest = Fixtures.manifest(folder);
        for (Map<String, Object> one : Fixtures.list(manifest, "out_of_range")) {
            if (Fixtures.list(one, "inputs").stream().anyMatch(p -> !"float32".equals(p.get("dtype"))))
                continue;
            try (Model model = Model.open(artifact(name));
                 Session session = model.method((String) one.getOrDefault("model", "forward")).session()) {
                AotException refused = assertThrows(AotException.class, () -> {
                    for (int i = 0; i < Fixtures.list(one, "inputs").size(); i++) {
                        long[] shape = Fixtures.shape(Fixtures.list(one, "inputs").get(i));
                        session.input(i).set(new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)], shape);
                    }
                    session.run();
                });
                assertEquals(AotException.Status.SHAPE, refused.status());
                for (Object word : (List<?>) one.get("message"))
                    assertTrue(refused.getMessage().contains((String) word), refused.getMessage() + ": no " + word);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"seeds/conv_classifier_b, conv_classifier_b", "seeds/hybrid_model, hybrid_model",
                "2.13.0/encoder, encoder"})
    void eightThreadsOnOneModel(String folder, String name) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try (Model model = Model.open(artifact(name))) {
            List<Future<Void>> done = new ArrayList<>();
            Callable<Void> work = () -> {
                for (int i = 0; i < 20; i++)
                    runAll(model, folder);
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
}
