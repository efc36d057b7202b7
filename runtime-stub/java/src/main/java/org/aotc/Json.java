// SPDX-License-Identifier: MIT
package org.aotc;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.aotc.AotException.Status;

/** Reads the metadata of a model: Map, List, String, Long, Double, Boolean, null. */
final class Json {
    private static final int DEPTH = 200;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.skip();
        if (json.at < text.length())
            throw json.fault();
        return value;
    }

    private AotException fault() {
        return new AotException(Status.DATA, "not JSON at character " + at);
    }

    private void skip() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0)
            at++;
    }

    private boolean take(char c) {
        skip();
        if (at >= text.length() || text.charAt(at) != c)
            return false;
        at++;
        return true;
    }

    private void need(char c) {
        if (!take(c))
            throw fault();
    }

    private Object value() {
        skip();
        if (at >= text.length() || ++depth > DEPTH)
            throw fault();
        char c = text.charAt(at);
        Object found = c == '{' ? object() : c == '[' ? array() : c == '"' ? string() : word();
        depth--;
        return found;
    }

    private Map<String, Object> object() {
        Map<String, Object> found = new LinkedHashMap<>();
        need('{');
        if (take('}'))
            return found;
        do {
            skip();
            String key = string();
            need(':');
            found.put(key, value());
        } while (take(','));
        need('}');
        return found;
    }

    private List<Object> array() {
        List<Object> found = new ArrayList<>();
        need('[');
        if (take(']'))
            return found;
        do
            found.add(value());
        while (take(','));
        need(']');
        return found;
    }

    private String string() {
        need('"');
        StringBuilder found = new StringBuilder();
        for (;;) {
            if (at >= text.length())
                throw fault();
            char c = text.charAt(at++);
            if (c == '"')
                return found.toString();
            found.append(c == '\\' ? escape() : c);
        }
    }

    private char escape() {
        if (at >= text.length())
            throw fault();
        char c = text.charAt(at++);
        int plain = "\"\\/bfnrt".indexOf(c);
        if (plain >= 0)
            return "\"\\/\b\f\n\r\t".charAt(plain);
        if (c != 'u' || at + 4 > text.length())
            throw fault();
        at += 4;
        try {
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        } catch (NumberFormatException e) {
            throw fault();
        }
    }

    private Object word() {
        int from = at;
        while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0)
            at++;
        String word = text.substring(from, at);
        try {
            return switch (word) {
                case "true" -> Boolean.TRUE;
                case "false" -> Boolean.FALSE;
                case "null" -> null;
                case "NaN" -> Double.NaN;
                default -> word.matches("-?\\d+") ? (Object) Long.valueOf(word) : (Object) Double.valueOf(word);
            };
        } catch (NumberFormatException e) {
            throw fault();
        }
    }
}
