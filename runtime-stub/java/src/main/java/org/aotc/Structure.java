// SPDX-License-Identifier: MIT
package org.aotc;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/** How a method's tensors are nested in Python: lists and tuples are lists, dictionaries are maps. It comes
 *  from the archive, by way of the metadata; without it arguments are the inputs by their names, and several
 *  results are a list. */
final class Structure {
    private final List<Port> inputs, outputs;
    private final Map<?, ?> arguments; // specs by name
    private final Map<?, ?> result;    // a spec; null: not known

    /** @param method the method's part of the metadata; may be empty */
    Structure(Map<?, ?> method, List<Port> inputs, List<Port> outputs) {
        this.inputs = inputs;
        this.outputs = outputs;
        Map<?, ?> in = spec(method.get("in_spec")), out = spec(method.get("out_spec"));
        Map<?, ?> found = in == null ? null : named(in, method.get("arg_names"));
        arguments = found != null && leaves(in) == inputs.size() ? found : null;
        result = out != null && leaves(out) == outputs.size() ? out : null;
    }

    // ---- Specs, as torch's pytree writes them: [1, {"type", "context", "children_spec"}]

    private static Map<?, ?> spec(Object text) {
        if (!(text instanceof String s))
            return null;
        return Json.parse(s) instanceof List<?> pair && pair.size() == 2 && pair.get(1) instanceof Map<?, ?> found
            ? found : null;
    }

    private static List<?> children(Map<?, ?> spec) {
        return spec.get("children_spec") instanceof List<?> found ? found : List.of();
    }

    private static boolean isLeaf(Map<?, ?> spec) {
        return spec.get("type") == null;
    }

    private static int leaves(Object spec) {
        if (!(spec instanceof Map<?, ?> map))
            return 0;
        return isLeaf(map) ? 1 : children(map).stream().mapToInt(Structure::leaves).sum();
    }

    /** A dictionary's keys; null for what is a list in Java. */
    private static List<?> keys(Map<?, ?> spec) {
        boolean isDict = spec.get("type") instanceof String type && type.toLowerCase().contains("dict");
        if (!isDict || !(spec.get("context") instanceof String text) || !text.startsWith("["))
            return null;
        return Json.parse(text) instanceof List<?> found && found.size() == children(spec).size() ? found : null;
    }

    /** The parameters of a call: a tuple of positional ones, a dictionary of the others. */
    private static Map<String, Object> named(Map<?, ?> call, Object names) {
        if (children(call).size() != 2 || !(children(call).get(0) instanceof Map<?, ?> positional)
            || !(children(call).get(1) instanceof Map<?, ?> keyword))
            return null;
        String[] known = names instanceof String s ? s.split(",") : new String[0];
        Map<String, Object> found = new LinkedHashMap<>();
        for (Object one : children(positional)) {
            int i = found.size();
            found.put(i < known.length && !known[i].isEmpty() ? known[i] : Integer.toString(i), one);
        }
        List<?> keys = keys(keyword);
        if (keys == null && !children(keyword).isEmpty())
            return null;
        for (int i = 0; keys != null && i < keys.size(); i++)
            found.put(String.valueOf(keys.get(i)), children(keyword).get(i));
        return found;
    }

    // ---- Trees

    private static final class Walk {
        int at; // the next leaf

        Object tree(Object node, IntFunction<Tensor> leaf) {
            if (!(node instanceof Map<?, ?> spec) || isLeaf(spec))
                return leaf.apply(at++);
            List<?> keys = keys(spec), children = children(spec);
            if (keys == null) {
                List<Object> list = new ArrayList<>();
                for (Object child : children)
                    list.add(tree(child, leaf));
                return Collections.unmodifiableList(list);
            }
            Map<String, Object> map = new LinkedHashMap<>();
            for (int i = 0; i < children.size(); i++)
                map.put(String.valueOf(keys.get(i)), tree(children.get(i), leaf));
            return Collections.unmodifiableMap(map);
        }
    }

    Map<String, Object> arguments(IntFunction<Tensor> leaf) {
        Map<String, Object> found = new LinkedHashMap<>();
        Walk walk = new Walk();
        if (arguments != null)
            arguments.forEach((name, node) -> found.put((String) name, walk.tree(node, leaf)));
        else
            for (Port port : inputs)
                found.put(port.name(), leaf.apply(port.index()));
        return Collections.unmodifiableMap(found);
    }

    Object result(IntFunction<Tensor> leaf) {
        if (result != null)
            return new Walk().tree(result, leaf);
        if (outputs.size() == 1)
            return leaf.apply(0);
        List<Object> list = new ArrayList<>();
        for (Port port : outputs)
            list.add(leaf.apply(port.index()));
        return Collections.unmodifiableList(list);
    }

    /** The tensor at "right.z" or "1.0" of a tree; null: there is none. */
    static Tensor find(Object tree, String path) {
        if (path.isEmpty())
            return tree instanceof Tensor found ? found : null;
        if (tree instanceof List<?> list) {
            int dot = path.indexOf('.');
            String head = dot < 0 ? path : path.substring(0, dot);
            boolean fits = head.matches("\\d{1,6}") && Integer.parseInt(head) < list.size();
            return fits ? find(list.get(Integer.parseInt(head)), dot < 0 ? "" : path.substring(dot + 1)) : null;
        }
        if (!(tree instanceof Map<?, ?> map))
            return null;
        for (Map.Entry<?, ?> e : map.entrySet()) { // keys may have dots
            String key = (String) e.getKey();
            if (path.equals(key) || path.startsWith(key + ".")) {
                Tensor found = find(e.getValue(), path.equals(key) ? "" : path.substring(key.length() + 1));
                if (found != null)
                    return found;
            }
        }
        return null;
    }
}
